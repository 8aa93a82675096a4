import { errorText } from "../../model/common/describe-error.js";
import { callHandler, type Handlers, handlerTypes } from "../../model/handler/handler.js";
import { retryDecision, snoozeDelay, toResult } from "../../model/handler/handler-outcome.js";
import type { Clock } from "../clock.js";
import type { HandlerRunner, RunContext, RunJob, RunOutcome } from "../handler-runner.js";
import { LeasedJob } from "./leased-job.js";
import { RunTrace } from "./run-trace.js";

/**
 * Runs handlers in this process. Nothing can end one that goes on. With a clock it knows which of them ran lately. Throws a
 * TypeError when one of them is no function.
 */
export function createInProcessRunner(handlers: Handlers, clock?: Clock): HandlerRunner {
  const trace = clock && new RunTrace(clock);
  return {
    types: handlerTypes(handlers),
    endsRuns: false,
    run: (job, context) => runHandler(handlers, job, context, trace),
    ...(trace && { recent: () => trace.take() }),
    async stop() {},
  };
}

/** Runs the handler of a job, in this process. Never rejects. */
export async function runHandler(
  handlers: Handlers,
  job: RunJob,
  context: RunContext,
  trace?: RunTrace,
): Promise<RunOutcome> {
  context.began();
  try {
    const value = call(handlers, job, context, trace);
    return { kind: "complete", result: toResult(await value) };
  } catch (thrown) {
    const delayMs = snoozeDelay(thrown);
    if (delayMs !== undefined) return { kind: "snooze", delayMs };
    return { kind: "fail", error: errorText(thrown), retry: retryDecision(thrown), thrown, how: "thrown" };
  } finally {
    trace?.ended(job);
  }
}

function call(handlers: Handlers, job: RunJob, context: RunContext, trace: RunTrace | undefined): unknown {
  if (trace === undefined) return callHandler(handlers, new LeasedJob(job), context);
  const calledAt = trace.called(job);
  try {
    return callHandler(handlers, new LeasedJob(job), context);
  } finally {
    trace.returned(job, calledAt);
  }
}
