import type { Clock, Timer } from "../core/clock.js";
import type { HandlerRunner, RunContext, RunJob, RunOutcome } from "../core/handler-runner.js";
import { type ErrorDescription, receivedDescription } from "../model/common/describe-error.js";
import type { AbortReason } from "../model/handler/handler.js";
import { guardedLogger, type Logger } from "../model/log/logger.js";
import type { JobRequest } from "../model/request/validate.js";
import type { Host, HostedRun, PlaceEnd } from "./host.js";
import { type FromRun, toRunJob } from "./messages.js";
import { toSentError } from "./sent-error.js";

/** How long a handler may take from its hand-out until it begins, ms: its thread or process has to start first. */
const BEGIN_MS = 60_000;

/** How long the end of a thread or process is waited for, once it was killed, ms. One that is deep in native code takes its time. */
const KILL_MS = 5000;

/** How many characters of log lines are read before the run is told. */
const READ_SIZE = 2 ** 17;

/** Settings of an isolated runner. */
export interface IsolatedRunnerOptions {
  /** How long a handler has, once its signal is aborted, before its thread or process is ended, ms. */
  readonly graceMs: number;
}

/** Runs handlers away from the server, one in each thread or process at a time, and ends by force those that do not heed their signal. */
export class IsolatedRunner implements HandlerRunner {
  readonly types: readonly string[];
  readonly endsRuns = true;
  readonly #host: Host;
  readonly #clock: Clock;
  readonly #options: IsolatedRunnerOptions;

  constructor(host: Host, types: readonly string[], clock: Clock, options: IsolatedRunnerOptions) {
    this.#host = host;
    this.types = types;
    this.#clock = clock;
    this.#options = options;
  }

  run(job: RunJob, context: RunContext): Promise<RunOutcome> {
    return new IsolatedRun(this.#host, this.#clock, this.#options.graceMs, context).follow(job);
  }

  async stop(): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#clock.setTimer(KILL_MS, resolve);
    });
    await Promise.race([this.#host.stop(), late]);
    timer?.cancel();
  }
}

/** One run, as the server sees it. */
class IsolatedRun {
  readonly #host: Host;
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #context: RunContext;
  #run: HostedRun | undefined;
  #logger: Logger | undefined;
  /** What of its log lines was read and not told yet. */
  #unread = 0;
  #last: Extract<FromRun, { readonly kind: "outcome" | "uncaught" }> | undefined;
  #hasBegun = false;
  /** Why it was ended by force; undefined: it was not. */
  #forced: string | undefined;
  #timer: Timer | undefined;
  #giveUp = () => {};
  readonly #gaveUp: Promise<PlaceEnd>;

  constructor(host: Host, clock: Clock, graceMs: number, context: RunContext) {
    this.#host = host;
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#context = context;
    this.#gaveUp = new Promise((resolve) => {
      this.#giveUp = () => resolve({ why: "it could not be ended yet" });
    });
  }

  /** Resolves to how it ended, within moments of the grace period after its signal was aborted. */
  async follow(job: RunJob): Promise<RunOutcome> {
    const { signal } = this.#context;
    const abort = () => this.#aborted(signal.reason.reason);
    this.#arm(BEGIN_MS, () => this.#force(`it did not begin within ${BEGIN_MS} ms`));
    this.#run = this.#host.run(toRunJob({ ...job, traceContext: this.#context.traceContext }), (message) =>
      this.#hear(message),
    );
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    const end = await Promise.race([this.#run.over, this.#gaveUp]);
    signal.removeEventListener("abort", abort);
    this.#timer?.cancel();
    return this.#outcome(end);
  }

  #arm(ms: number, fire: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(ms, fire);
  }

  #aborted(reason: AbortReason): void {
    if (!this.#hasBegun) {
      this.#force(FORCED[reason]);
      return;
    }
    this.#run?.send({ kind: "abort", reason });
    // At shutdown, the pool stops all that is left at its own time.
    if (reason !== "SHUTDOWN") this.#arm(this.#graceMs, () => this.#force(FORCED[reason]));
  }

  /** Ends the run by force; `why` says for what. */
  #force(why: string): void {
    this.#forced = why;
    this.#run?.kill();
    this.#arm(KILL_MS, this.#giveUp);
  }

  #hear(message: FromRun): void {
    switch (message.kind) {
      case "began":
        this.#began();
        break;
      case "progress":
        this.#context.progress(message.progress.percent, message.progress.message);
        break;
      case "create":
        void this.#create(message);
        break;
      case "log":
        this.#log()[message.level](parseFields(message.fields), message.message);
        this.#read(message.size);
        break;
      case "dropped":
        this.#log().warn({ lines: message.lines }, "a handler logged faster than it is read; lines are left out");
        break;
      default:
        this.#last ??= message;
    }
  }

  #began(): void {
    this.#hasBegun = true;
    if (this.#forced !== undefined) return;
    this.#timer?.cancel();
    this.#context.began();
  }

  async #create({ number, requests, isBatch }: Extract<FromRun, { readonly kind: "create" }>): Promise<void> {
    const created = isBatch
      ? this.#context.createBatch(requests)
      : this.#context.create(requests[0] as JobRequest).then((job) => [job]);
    this.#run?.send({ kind: "created", number, answer: await created.catch(toSentError) });
  }

  #read(size: number): void {
    this.#unread += size;
    if (this.#unread < READ_SIZE) return;
    this.#run?.send({ kind: "read", size: this.#unread });
    this.#unread = 0;
  }

  #log(): Logger {
    this.#logger ??= guardedLogger(this.#context.logger);
    return this.#logger;
  }

  #outcome(end: PlaceEnd | undefined): RunOutcome {
    const last = this.#last;
    if (last?.kind === "outcome") {
      if (last.outcome.kind !== "fail") return last.outcome;
      return { ...last.outcome, thrown: receivedDescription(last.outcome.thrown), how: "thrown" };
    }
    if (this.#forced !== undefined) return failed(`ended by force: ${this.#forced}`, "forced");
    if (last !== undefined) {
      const error = `an error that nobody caught ended the handler: ${last.error.message}`;
      return { kind: "fail", error, retry: "DEFAULT", thrown: receivedDescription(last.error), how: "crashed" };
    }
    return failed(`the handler's ${this.#host.place} ended: ${end?.why ?? "nobody knows why"}`, "crashed");
  }
}

/** The fields of a line; an error in them is described. */
function parseFields(json: string): object {
  const fields = JSON.parse(json) as { err?: ErrorDescription };
  if (fields.err !== undefined) fields.err = receivedDescription(fields.err);
  return fields;
}

const FORCED: Readonly<Record<AbortReason, string>> = {
  CANCELED: "the job was cancelled",
  TIMEOUT: "the attempt took longer than the job's timeout",
  SHUTDOWN: "the server is shutting down",
  LEASE_LOST: "the lease was lost",
};

/** For the log: an end from outside has no stack. */
class HandlerEnded extends Error {
  override readonly stack = "";
}

function failed(error: string, how: "forced" | "crashed"): RunOutcome {
  return { kind: "fail", error, retry: "DEFAULT", thrown: new HandlerEnded(error), how };
}
