import type { Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { STREAM_HEADERS } from "../http.js";
import { headOf } from "./answer.js";
import { ENVELOPE_BYTES, encodeEnvelope, toEnvelope } from "./envelope.js";
import type { Exchange } from "./exchange.js";
import type { FastCall } from "./fast-call.js";

/** A message in its envelope. */
export type Part = Uint8Array<ArrayBuffer>;

/** Writes the messages and the end of a stream. Like connect, it sends the headers with the first of them. */
export class StreamWriter {
  readonly #call: FastCall;
  readonly #exchange: Exchange;
  #isBegun = false;
  #hasRoom: (() => void) | undefined;

  constructor(call: FastCall) {
    this.#call = call;
    this.#exchange = call.exchange;
  }

  /** Whether the client has left. */
  get isClosed(): boolean {
    return this.#exchange.isClosed;
  }

  /** Returns the message in its envelope, or a promise of that when it is compressed. */
  encode(message: Message): Part | Promise<Part> {
    const { codec, compression } = this.#call;
    return encodeEnvelope(codec.serialize(message, ENVELOPE_BYTES), compression);
  }

  /** Writes a part. Returns false when the caller should wait for room. */
  write(part: Part): boolean {
    if (this.isClosed) return true;
    this.#begin();
    return this.#exchange.write(part);
  }

  /** Calls `hasRoom` whenever the client has room again, and when it leaves. */
  onRoom(hasRoom: () => void): void {
    if (this.#hasRoom === undefined) {
      this.#exchange.onDrain(() => this.#hasRoom?.());
      this.#exchange.onClose(() => this.#hasRoom?.());
    }
    this.#hasRoom = hasRoom;
  }

  /** Resolves when the client has room again or leaves. The port ends one that takes nothing. */
  room(): Promise<void> {
    return new Promise((resolve) => this.onRoom(resolve));
  }

  /** Ends the stream; `error` undefined: successfully. */
  async end(error: ConnectError | undefined): Promise<void> {
    const { exchange, protocol, compression, context } = this.#call;
    const end = protocol.endStream?.(error, context.givenTrailer);
    if (end === undefined) return;
    const last = "flags" in end ? await toEnvelope(end.flags, end.data, compression) : undefined;
    if (exchange.isClosed) return;
    this.#begin();
    exchange.end(last, "trailers" in end ? end.trailers : undefined);
  }

  #begin(): void {
    if (this.#isBegun) return;
    this.#isBegun = true;
    const { exchange, protocol } = this.#call;
    exchange.begin({ ...headOf(this.#call, this.#call.compression), ...STREAM_HEADERS }, protocol.hasTrailers);
  }
}
