import type { RpcRecorder } from "../rpc-recorder.js";
import type { CallContext } from "./call-context.js";
import type { Exchange } from "./exchange.js";
import type { Codec, FastMethod, Negotiated } from "./fast-method.js";
import type { Turns } from "./turns.js";
import type { WireProtocol } from "./wire-protocol.js";

/** A call on the fast path, from the head of its request on: it can be answered with an error before its message is read. */
export interface FastCall {
  readonly exchange: Exchange;
  readonly protocol: WireProtocol;
  readonly method: FastMethod;
  /** The codec of the method in this protocol. */
  readonly codec: Codec;
  readonly context: CallContext;
  /** How the answer may be compressed. */
  readonly compression: Negotiated;
  readonly recorder: RpcRecorder;
  readonly turns: Turns;
  /** Follows an answer to its end; undefined when it is written. See `unanswered`. */
  settle(answered: Promise<void> | void): void;
  /** An answer could not be written: that is logged, and the call ended. */
  unanswered(error: unknown): void;
}
