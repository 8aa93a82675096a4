import { type MessagePort, parentPort } from "node:worker_threads";
import type { RunJob } from "../../core/handler-runner.js";
import { describeError, errorText } from "../../model/common/describe-error.js";
import type { Handlers } from "../../model/handler/handler.js";
import { jobFields } from "../../model/log/job-fields.js";
import { HandlerRun } from "../inside/handler-run.js";
import { loadHandlers } from "../load-handlers.js";
import type { FromRun, Stray, ToRun } from "../messages.js";

/** A task of a thread: to load the handlers and say their types, or to run a job and tell about it by `port`. */
export type ThreadTask =
  | { readonly kind: "load"; readonly module: string }
  | { readonly kind: "run"; readonly module: string; readonly job: RunJob; readonly port: MessagePort };

let handlers: Promise<Handlers> | undefined;
let current: HandlerRun | undefined;

process.on("unhandledRejection", (error) => tellStray(error));
process.on("uncaughtException", (error) => {
  // Its state cannot be trusted any more: the thread ends, and another one takes its place.
  if (current === undefined) tellStray(error);
  current?.uncaught(error);
  process.exit(1);
});

function tellStray(error: unknown): void {
  const job = current && jobFields(current.job);
  parentPort?.postMessage({ kind: "stray", error: describeError(error), job } satisfies Stray);
}

/** Does a task. The library of the pool calls it, in each of its threads. */
// biome-ignore lint/style/noDefaultExport: the library takes the default export
export default async function thread(task: ThreadTask): Promise<readonly string[]> {
  handlers ??= loadHandlers(task.module);
  if (task.kind === "load") return Object.keys(await handlers.catch(rethrow));
  const { job, port } = task;
  const run = new HandlerRun(job, (message) => port.postMessage(message, transferOf(message)));
  port.on("message", (message: ToRun) => run.hear(message));
  current = run;
  try {
    await run.run(await handlers);
  } catch (error) {
    run.unloadable(error);
    // The failure of an import lasts: the next run gets a new thread.
    process.exit(1);
  } finally {
    current = undefined;
    port.off("message", run.hear);
  }
  return [];
}

/** Throws the error again, in a form that any thread understands. */
function rethrow(error: unknown): never {
  throw new Error(errorText(error));
}

/** Bytes of a result are moved to the server's thread, not copied. */
function transferOf(message: FromRun): ArrayBuffer[] {
  if (message.kind !== "outcome" || message.outcome.kind !== "complete") return [];
  const { result } = message.outcome;
  return result instanceof Uint8Array ? [result.buffer as ArrayBuffer] : [];
}
