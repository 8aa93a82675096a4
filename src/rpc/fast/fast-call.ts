import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { RpcRecorder } from "../rpc-recorder.js";
import type { CallContext } from "./call-context.js";
import type { Exchange } from "./exchange.js";
import type { Codec, FastMethod, Negotiated } from "./fast-method.js";
import type { WireProtocol } from "./wire-protocol.js";

/** A call whose request is not read yet: it can be answered with an error. */
export interface OpenCall {
  readonly exchange: Exchange;
  readonly protocol: WireProtocol;
  readonly method: FastMethod;
  /** The codec of the method in this protocol. */
  readonly codec: Codec;
  readonly context: CallContext;
  /** How the answer may be compressed. */
  readonly compression: Negotiated;
  readonly recorder: RpcRecorder;
}

/** A call whose request has been read. */
export interface FastCall extends OpenCall {
  readonly input: Message;
}

/** What connect answers with. */
export function toAnswer(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
}
