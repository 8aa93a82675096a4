import type { Message } from "@bufbuild/protobuf";
import { answerError, answerUnary } from "./answer.js";
import { type LeanCall, toAnswer } from "./call.js";

/** Does a unary call and answers it. */
export async function serveUnary(call: LeanCall): Promise<void> {
  const { method, input, context, calls } = call;
  try {
    const output = await calls.unary(method.name, () => method.run(input, context));
    context.done();
    await answerUnary(call, output as Message);
  } catch (error) {
    context.done();
    await answerError(call, toAnswer(error));
  }
}
