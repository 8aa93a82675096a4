import type { RunContext, RunJob, RunOutcome } from "../../core/handler-runner.js";
import { runHandler } from "../../core/pool/in-process-runner.js";
import { describeError, errorText } from "../../model/common/describe-error.js";
import { type AbortReason, attemptAborted, type Handlers } from "../../model/handler/handler.js";
import { toJobRequest, toJobRequests } from "../../model/request/job-request.js";
import { runWithin } from "../../telemetry/run-within.js";
import { createTracer } from "../../telemetry/tracer.js";
import type { FromRun, SentOutcome, ToRun } from "../messages.js";
import { CreateAsker } from "./create-asker.js";
import { LogSender } from "./log-sender.js";
import { ProgressSender } from "./progress-sender.js";

const tracer = createTracer();

/** The run of a handler, in a thread or process of its own, as it is seen there. */
export class HandlerRun {
  readonly job: RunJob;
  readonly #post: (message: FromRun) => void;
  readonly #abort = new AbortController();
  readonly #log: LogSender;
  readonly #progress: ProgressSender;
  readonly #creates: CreateAsker;
  #isOver = false;

  /** `post` sends a message to the server, in order. */
  constructor(job: RunJob, post: (message: FromRun) => void) {
    this.job = job;
    // What a handler that goes on says after its end is nobody's.
    this.#post = (message) => {
      if (!this.#isOver) post(message);
    };
    this.#log = new LogSender(this.#post);
    this.#progress = new ProgressSender(this.#post, () => performance.now());
    this.#creates = new CreateAsker(this.#post);
  }

  /** Takes what the server says. */
  hear(message: ToRun): void {
    if (message.kind === "read") this.#log.read(message);
    else if (message.kind === "created") this.#creates.answer(message);
    else this.#abortFor(message.reason);
  }

  /** Runs the handler, and tells the outcome. Never rejects. */
  async run(handlers: Handlers): Promise<void> {
    const run = () => runHandler(handlers, this.job, this.#context());
    this.#end({ kind: "outcome", outcome: toSent(await runWithin(this.job.traceContext, run)) });
  }

  /** Tells that the handlers cannot be loaded. */
  unloadable(error: unknown): void {
    this.#end({
      kind: "outcome",
      outcome: toSent({ kind: "fail", error: errorText(error), retry: "DEFAULT", thrown: error, how: "thrown" }),
    });
  }

  /** Tells of an error that ends the thread or process. */
  uncaught(error: unknown): void {
    this.#end({ kind: "uncaught", error: describeError(error) });
  }

  #abortFor(reason: AbortReason): void {
    this.#abort.abort(attemptAborted(reason, "server"));
  }

  #context(): RunContext {
    const { retryCount, timeoutMs, traceContext } = this.job;
    return {
      signal: this.#abort.signal,
      attempt: retryCount + 1,
      deadline: timeoutMs > 0 ? new Date(Date.now() + timeoutMs) : undefined,
      traceContext,
      logger: this.#log.logger,
      create: (request) => this.#creates.one(request),
      createBatch: (requests) => this.#creates.batch(requests),
      enqueue: async (task) => this.#creates.one(toJobRequest(task, tracer.active() ?? traceContext)),
      enqueueBatch: async (tasks) => this.#creates.batch(toJobRequests(tasks, tracer.active() ?? traceContext)),
      progress: (percent, message) => this.#progress.report(percent, message),
      began: () => this.#post({ kind: "began" }),
    };
  }

  #end(last: FromRun): void {
    this.#progress.flush();
    this.#log.flush();
    this.#creates.close();
    this.#post(last);
    this.#isOver = true;
  }
}

function toSent(outcome: RunOutcome): SentOutcome {
  if (outcome.kind !== "fail") return outcome;
  const { kind, error, retry, thrown } = outcome;
  return { kind, error, retry, thrown: describeError(thrown) };
}
