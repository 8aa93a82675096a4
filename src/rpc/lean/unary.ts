import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Calls } from "../calls.js";
import { answerUnary, roomFor } from "./answer.js";
import type { CallContext } from "./context.js";
import type { Dialect } from "./dialect.js";
import type { Exchange } from "./exchange.js";
import type { LeanMethod, Negotiated } from "./method.js";

/** A call whose request has been read. */
export interface LeanCall {
  readonly exchange: Exchange;
  readonly dialect: Dialect;
  readonly method: LeanMethod;
  readonly input: Message;
  readonly context: CallContext;
  /** Of the answer. */
  readonly compression: Negotiated;
  readonly calls: Calls;
}

/** Does a unary call and answers it. */
export async function serveUnary(call: LeanCall): Promise<void> {
  const { exchange, dialect, method, input, context, compression, calls } = call;
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  let error: ConnectError | undefined;
  try {
    const output = await calls.unary(method.name, () => method.run(input, context));
    bytes = (dialect.isBinary ? method.binary : method.json).serialize(output as Message, roomFor(dialect));
  } catch (thrown) {
    error = toAnswer(thrown);
  }
  context.done();
  await answerUnary(exchange, dialect, compression, bytes, error);
}

/** What connect answers with. */
export function toAnswer(error: unknown): ConnectError {
  return error instanceof ConnectError
    ? error
    : new ConnectError("internal error", Code.Internal, undefined, undefined, error);
}
