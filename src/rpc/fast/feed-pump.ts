import type { Message } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { Feed, FeedReader } from "../../core/watch/feed.js";
import type { MessageFeed } from "../message-feed.js";
import { type CloseStream, codeOfAbort } from "../rpc-recorder.js";
import type { FastCall } from "./fast-call.js";
import type { Part, StreamWriter } from "./stream-writer.js";

/**
 * Writes the events of a feed to a client as fast as the client reads them. It creates no promise, timer or signal per
 * event, as a server may have thousands of watchers.
 */
export class FeedPump implements FeedReader {
  readonly #call: FastCall;
  readonly #feed: Feed<object>;
  readonly #toMessage: (event: object) => Message;
  /** What other watchers were sent already, if they get the same. */
  readonly #shared: WeakMap<object, Uint8Array<ArrayBuffer>> | undefined;
  readonly #writer: StreamWriter;
  readonly #close: CloseStream;
  /** Whether it waits for the client to have room, or for a message to be compressed. */
  #isWaiting = false;
  #isOver = false;

  constructor(call: FastCall, messages: MessageFeed<object, Message>, writer: StreamWriter, close: CloseStream) {
    this.#call = call;
    this.#feed = messages.feed;
    this.#toMessage = messages.toMessage;
    this.#shared = messages.feed.isShared ? call.codec.sharedBy(messages.toMessage) : undefined;
    this.#writer = writer;
    this.#close = close;
  }

  start(): void {
    this.#feed.reader = this;
    this.#call.context.whenOver((reason) => this.#leave(reason));
    this.ready();
  }

  ready(): void {
    const feed = this.#feed;
    while (!this.#isWaiting && !this.#isOver) {
      let part: Part | Promise<Part>;
      try {
        const event = feed.take();
        if (event === undefined) {
          if (feed.isOver) this.#end(undefined);
          return;
        }
        part = this.#encode(event);
      } catch (error) {
        this.#end(error);
        return;
      }
      if (part instanceof Promise) this.#writeLater(part);
      else if (!this.#writer.write(part)) this.#waitForRoom();
    }
  }

  /** Encodes an event: once for all watchers that share it. */
  #encode(event: object): Part | Promise<Part> {
    const shared = this.#shared;
    if (shared === undefined) return this.#writer.encode(this.#toMessage(event));
    const known = shared.get(event);
    if (known !== undefined) return known;
    const part = this.#writer.encode(this.#toMessage(event));
    if (!(part instanceof Promise)) shared.set(event, part);
    return part;
  }

  #writeLater(part: Promise<Part>): void {
    this.#isWaiting = true;
    part.then(
      (bytes) => {
        this.#isWaiting = false;
        if (!this.#writer.write(bytes)) this.#waitForRoom();
        this.ready();
      },
      (error) => this.#end(error),
    );
  }

  #waitForRoom(): void {
    this.#isWaiting = true;
    this.#writer.onRoom(() => {
      this.#isWaiting = false;
      this.ready();
    });
  }

  /** Called when the client has left or its deadline has passed. */
  #leave(reason: ConnectError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#feed.close();
    this.#close(codeOfAbort(reason));
    if (reason.code === Code.Canceled) return;
    const { recorder, context } = this.#call;
    this.#call.settle(this.#writer.end(recorder.translate(reason, context)));
  }

  #end(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { recorder, context } = this.#call;
    const answer = error === undefined ? undefined : recorder.translate(error, context);
    this.#feed.close();
    this.#close(answer === undefined ? "ok" : codeToString(answer.code), answer);
    context.done();
    this.#call.settle(this.#writer.end(answer));
  }
}
