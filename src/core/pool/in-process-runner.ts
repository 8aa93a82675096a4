import { errorText } from "../../model/describe-error.js";
import { callHandler, type Handlers, handlerTypes } from "../../model/handler.js";
import { retryDecision, toResult } from "../../model/handler-outcome.js";
import type { HandlerRunner, RunContext, RunJob, RunOutcome } from "../handler-runner.js";
import { LeasedJob } from "./leased-job.js";

/** Runs handlers in this process. Nothing can end one that goes on. Throws a TypeError when one of them is no function. */
export function createInProcessRunner(handlers: Handlers): HandlerRunner {
  return {
    types: handlerTypes(handlers),
    endsRuns: false,
    run: (job, context) => runHandler(handlers, job, context),
    async stop() {},
  };
}

/** Runs the handler of a job, in this process. Never rejects. */
export async function runHandler(handlers: Handlers, job: RunJob, context: RunContext): Promise<RunOutcome> {
  context.began();
  try {
    const value = callHandler(handlers, new LeasedJob(job), context);
    return { kind: "complete", result: toResult(await value) };
  } catch (thrown) {
    return { kind: "fail", error: errorText(thrown), retry: retryDecision(thrown), thrown, how: "thrown" };
  }
}
