import type { Message } from "@bufbuild/protobuf";
import { type WrittenListener, writtenListenerOf } from "../when-written.js";
import { answerError, answerUnary } from "./answer.js";
import type { Exchange } from "./exchange.js";
import { type FastCall, toAnswer } from "./fast-call.js";
import { MAX_WRITE_MS } from "./stream-writer.js";

/** Runs a unary call and answers it. */
export async function serveUnary(call: FastCall): Promise<void> {
  const { protocol, method, input, context, recorder } = call;
  const startedAt = performance.now();
  let output: Message;
  try {
    output = (await method.run(input, context)) as Message;
  } catch (error) {
    context.done();
    await answerError(call, recorder.failed(error, method.name, startedAt, protocol.spelling));
    return;
  }
  context.done();
  recorder.succeeded(method.name, startedAt);
  const listener = writtenListenerOf(output);
  if (listener !== undefined) tellWhenWritten(call.exchange, listener);
  try {
    const isLater = answerUnary(call, output);
    if (isLater !== undefined) await isLater;
  } catch (error) {
    listener?.failed();
    await answerError(call, toAnswer(error));
  }
}

/** Tells a listener whether the answer that follows was written. A client that takes too long for it is cut off. */
function tellWhenWritten(exchange: Exchange, listener: WrittenListener): void {
  const timer = setTimeout(() => exchange.destroy(), MAX_WRITE_MS);
  exchange.onWritten((isWritten) => {
    clearTimeout(timer);
    if (isWritten) listener.left();
    else listener.failed();
  });
}
