import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Calls } from "../calls.js";
import type { CallContext } from "./context.js";
import type { Dialect } from "./dialect.js";
import type { Exchange } from "./exchange.js";
import type { Codec, LeanMethod, Negotiated } from "./method.js";

/** A call whose request has been read. */
export interface LeanCall {
  readonly exchange: Exchange;
  readonly dialect: Dialect;
  readonly method: LeanMethod;
  /** Of the method, in this dialect. */
  readonly codec: Codec;
  readonly input: Message;
  readonly context: CallContext;
  /** Of the answer. */
  readonly compression: Negotiated;
  readonly calls: Calls;
}

/** What connect answers with. */
export function toAnswer(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
}
