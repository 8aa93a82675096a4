import type { Message } from "@bufbuild/protobuf";
import { ownTurn } from "../../core/turns/own-turn.js";
import { type WrittenListener, writtenListenerOf } from "../when-written.js";
import { answerError, answerUnary } from "./answer.js";
import type { Exchange } from "./exchange.js";
import type { FastCall } from "./fast-call.js";

/** Runs a unary call and answers it. Never rejects. */
export async function serveUnary(call: FastCall, input: Message): Promise<void> {
  const { method, context, recorder, turns } = call;
  const startedAt = performance.now();
  // One function with all of it: each more would be a promise more for each call.
  try {
    let output: Message;
    try {
      output = (await method.run(input, context)) as Message;
    } catch (error) {
      context.done();
      await answerError(call, recorder.failed(error, context, startedAt));
      return;
    }
    context.done();
    recorder.succeeded(context, startedAt);
    // The answers of many calls may come together, and those of scans may be large.
    if (method.isScan && hasMany(output)) await ownTurn();
    else if (turns.isLong()) await turns.turn(call.exchange.connection);
    const listener = writtenListenerOf(output);
    if (listener !== undefined) tellWhenWritten(call.exchange, listener);
    try {
      const isLater = answerUnary(call, output);
      if (isLater !== undefined) await isLater;
    } catch (error) {
      listener?.failed();
      await answerError(call, recorder.translate(error, context));
    }
  } catch (error) {
    call.unanswered(error);
  }
}

/** Items of an answer from which on it is written in a turn of its own. */
const MANY = 16;

function hasMany(output: Message): boolean {
  return Object.values(output).some((value) => Array.isArray(value) && value.length >= MANY);
}

/** Tells a listener whether the answer that follows was written. */
function tellWhenWritten(exchange: Exchange, listener: WrittenListener): void {
  exchange.onWritten((isWritten) => {
    if (isWritten) listener.left();
    else listener.failed();
  });
}
