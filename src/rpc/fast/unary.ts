import type { Message } from "@bufbuild/protobuf";
import { answerError, answerUnary } from "./answer.js";
import { type FastCall, toAnswer } from "./fast-call.js";

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
  try {
    const isLater = answerUnary(call, output);
    if (isLater !== undefined) await isLater;
  } catch (error) {
    await answerError(call, toAnswer(error));
  }
}
