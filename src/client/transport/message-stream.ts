import { Code, ConnectError } from "@connectrpc/connect";
import { compressedFlag } from "@connectrpc/connect/protocol";
import { createEndStreamSerialization, endStreamFlag } from "@connectrpc/connect/protocol-connect";
import { type Envelope, EnvelopeReader } from "./envelope-reader.js";
import { type CallBounds, HttpCall } from "./http-call.js";
import type { ResponseHead } from "./http-message.js";
import { checkHead, headersOf } from "./response.js";

/** Bytes that have arrived and nobody has asked for, from which on no more are taken from the server for now. */
const ENOUGH_BYTES = 1 << 16;

const endStream = createEndStreamSerialization(undefined);

/** Somebody who has asked for a message that is not there yet. */
interface Reader<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

/**
 * A call with many responses. They are read at the pace of whoever asks for them. When its stream breaks, what has arrived is read
 * first; a deadline that passes and an abort end it at once.
 */
export class MessageStream<T> extends HttpCall implements AsyncIterator<T, undefined> {
  /** The head of the response. Rejects with a ConnectError when there is none. */
  readonly begun: Promise<ResponseHead>;
  readonly #decode: (bytes: Uint8Array) => T;
  readonly #envelopes = new EnvelopeReader();
  readonly #readers: Reader<T>[] = [];
  #resolveBegun!: (head: ResponseHead) => void;
  #rejectBegun!: (error: ConnectError) => void;
  #head: ResponseHead | undefined;
  #trailer: Headers | undefined;
  #isPaused = false;
  /** Whether the end that the server tells was read. */
  #hasEnd = false;
  /** Whether no more bytes come; `#broken` says why, unless the body is complete. */
  #isClosed = false;
  #broken: ConnectError | undefined;
  /** What it failed with, until somebody is told. */
  #error: ConnectError | undefined;

  constructor(bounds: CallBounds, decode: (bytes: Uint8Array) => T) {
    super(bounds);
    this.#decode = decode;
    this.begun = new Promise((resolve, reject) => {
      this.#resolveBegun = resolve;
      this.#rejectBegun = reject;
    });
  }

  /** Trailers, once the last message is read. */
  get trailer(): Headers {
    this.#trailer ??= new Headers();
    return this.#trailer;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const result = this.#readers.length === 0 ? this.#read() : undefined;
    if (this.#error !== undefined) {
      const error = this.#error;
      this.#error = undefined;
      return Promise.reject(error);
    }
    if (result === undefined || this.#envelopes.size < ENOUGH_BYTES) this.#resume();
    if (result !== undefined) return Promise.resolve(result);
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  protected responded(head: ResponseHead): void {
    this.#head = head;
    try {
      checkHead("server_streaming", head);
      this.#resolveBegun(head);
    } catch (error) {
      this.fail(error as ConnectError);
    }
  }

  protected received(piece: Buffer): void {
    this.#envelopes.add(piece);
    this.#tell();
    if (this.#readers.length > 0 || this.#envelopes.size < ENOUGH_BYTES || this.#isPaused) return;
    this.#isPaused = true;
    this.stream?.pause();
  }

  protected completed(): void {
    // A stream that is closed without a response ends too.
    if (this.#head === undefined) this.closed();
    this.#isClosed = true;
    this.#tell();
  }

  protected override broken(error: ConnectError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#broken = error;
    this.#tell();
  }

  protected failed(error: ConnectError): void {
    this.#rejectBegun(error);
    const readers = this.#readers.splice(0);
    if (readers.length === 0) this.#error = error;
    for (const [index, reader] of readers.entries()) {
      if (index === 0) reader.reject(error);
      else reader.resolve({ done: true, value: undefined });
    }
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.stream?.resume();
  }

  /** Gives those who wait what there is. */
  #tell(): void {
    while (this.#readers.length > 0) {
      const result = this.#read();
      if (result === undefined) return;
      this.#readers.shift()?.resolve(result);
    }
    // It fails as soon as all is read that has arrived, so that somebody who awaits its beginning learns of it.
    if (this.#broken !== undefined && this.#envelopes.size === 0) this.fail(this.#broken);
  }

  /** The next message, or the end; undefined when there is none yet, or it fails by that. */
  #read(): IteratorResult<T, undefined> | undefined {
    if (this.isOver) return { done: true, value: undefined };
    try {
      for (let envelope = this.#envelopes.next(); envelope !== undefined; envelope = this.#envelopes.next()) {
        const message = this.#open(envelope);
        if (message !== undefined) return { done: false, value: message };
      }
      if (!this.#isClosed) return undefined;
      if (this.#broken !== undefined) throw this.#broken;
      if (this.#envelopes.size > 0) throw violated("incomplete envelope");
      if (!this.#hasEnd) throw violated("missing EndStreamResponse");
      this.end();
      return { done: true, value: undefined };
    } catch (error) {
      this.fail(ConnectError.from(error));
      return undefined;
    }
  }

  /** The message in an envelope; undefined for the end that the server tells. Throws the error that this tells. */
  #open({ flags, data }: Envelope): T | undefined {
    if ((flags & compressedFlag) !== 0) {
      throw new ConnectError("received compressed envelope, but do not know how to decompress", Code.Internal);
    }
    if ((flags & endStreamFlag) === 0) {
      const message = this.#decode(data);
      if (this.#hasEnd) throw violated("received extra message after EndStreamResponse");
      return message;
    }
    const { error, metadata } = endStream.parse(data);
    if (this.#hasEnd) throw violated("received extra EndStreamResponse");
    this.#hasEnd = true;
    if (error !== undefined) {
      headersOf(this.#head ?? {}).forEach((value, name) => {
        error.metadata.append(name, value);
      });
      throw error;
    }
    metadata.forEach((value, name) => {
      this.trailer.set(name, value);
    });
    return undefined;
  }
}

function violated(what: string): ConnectError {
  return new ConnectError(`protocol error: ${what}`, Code.InvalidArgument);
}
