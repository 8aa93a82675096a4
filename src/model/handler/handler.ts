import { errorText } from "../common/describe-error.js";
import { guarded } from "../common/guarded.js";
import { LIMITS } from "../common/limits.js";
import { cutText } from "../common/text.js";
import type { Progress } from "../job/job.js";
import type { AnyJobs, Json, PayloadOf, ResultOf, TypeOf } from "../job/job-types.js";
import type { NewJob } from "../job/new-job.js";
import type { RawJson } from "../job/raw-json.js";
import type { Logger } from "../log/logger.js";
import type { TraceContext } from "../log/trace-context.js";

/** Any value that JSON can represent. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

/**
 * Runs one attempt of a job. Its return value becomes the result: a JSON value, bytes, or nothing. If it throws, the
 * attempt has failed: the job is retried after its backoff, or becomes DEAD if no retries are left.
 */
export type Handler = (job: HandlerJob, context: HandlerContext) => unknown;

/** The handler of one type of jobs, where a program declares what these carry. */
export type HandlerOf<Jobs, Type extends keyof Jobs> = (
  job: HandlerJob<Json<PayloadOf<Jobs, Type>>>,
  context: HandlerContext<Jobs>,
) => Returned<ResultOf<Jobs, Type>> | PromiseLike<Returned<ResultOf<Jobs, Type>>>;

// biome-ignore lint/suspicious/noConfusingVoidType: a handler without a result returns nothing
type Returned<Result> = undefined extends Result ? Result | Raw<Result> | void : Result | RawJson;

/** Where a type has a result, that may be given as JSON text. */
type Raw<Result> = [Result] extends [undefined] ? never : RawJson;

/** Handlers of these types. */
export type HandlersOf<Jobs, Type extends TypeOf<Jobs> = TypeOf<Jobs>> = {
  readonly [Each in Type]: HandlerOf<Jobs, Each>;
};

/** Handlers by job type. */
export type Handlers = Readonly<Record<string, Handler>>;

/** The job types that there are handlers for. Throws a TypeError that names the handler which is none. */
export function handlerTypes(handlers: Handlers): readonly string[] {
  const types = Object.keys(handlers);
  for (const type of types) {
    let handler: unknown;
    try {
      handler = handlers[type];
    } catch (error) {
      throw new TypeError(`handlers: the handler of "${type}" cannot be read: ${errorText(error)}`);
    }
    if (typeof handler !== "function") throw new TypeError(`handlers: the handler of "${type}" is not a function`);
  }
  return types;
}

/** Runs the handler of a job. Throws what it throws, and when there is none any more. */
export function callHandler(handlers: Handlers, job: HandlerJob, context: HandlerContext): unknown {
  const handler = handlers[job.type];
  if (handler === undefined) throw new Error(`the handler of "${job.type}" is gone`);
  return Reflect.apply(handler, handlers, [job, context]);
}

/** What a handler knows of its job. */
// biome-ignore lint/suspicious/noExplicitAny: nobody has said what is in it
export interface HandlerJob<Data = any> {
  readonly id: string;
  readonly queue: string;
  readonly type: string;
  /** The payload as submitted: a JSON value, bytes, or undefined. */
  readonly payload: Data;
  /**
   * The payload to the letter, as JSON; undefined when there is none, or it is bytes. Numbers that JavaScript cannot tell apart, such as
   * integers beyond 2^53, are told apart here.
   */
  readonly payloadText: string | undefined;
  readonly priority: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** Number of this delivery, from 1. Unlike `retryCount`, it also counts attempts lost to a crash or released. */
  readonly deliveries: number;
  /** Retries used so far: 0 in the first attempt, and again after a replay. */
  readonly retryCount: number;
  readonly maxRetries: number;
  readonly createdAt: Date;
  /** Whose it is, as its creator said; undefined: nobody's. */
  readonly key: string | undefined;
  /** The name of the schedule of its queue that made it; undefined: somebody created it. */
  readonly schedule: string | undefined;
  /** The time of that schedule that it is for, however late it runs; when somebody triggered it, the time of that. */
  readonly scheduledFor: Date | undefined;
}

/** What a handler may use while it runs. `Jobs`: those that it may create. */
export interface HandlerContext<Jobs = AnyJobs> {
  /**
   * Aborted when the attempt should end: the job was cancelled, its timeout passed, the server is shutting down, or
   * the lease was lost. Its `reason` is an `AttemptAborted`. Throw that (`signal.throwIfAborted()`) to acknowledge a
   * cancel; a handler that returns normally has completed the job all the same.
   */
  readonly signal: AbortSignal;
  /**
   * Number of this attempt, from 1: one more than the retries used, so that a run after a crash or a lost lease counts as the same, and
   * a replay begins anew. `deliveries` of the job counts each run.
   */
  readonly attempt: number;
  /** When the job's `timeoutMs` ends this attempt, by the clock of this machine; undefined: the job has none. */
  readonly deadline: Date | undefined;
  /** Reports progress: 0 to 100, and a text. Cheap: at most ten reports a second are written, always the last one. */
  progress(percent: number, message?: string): void;
  /**
   * The trace that this attempt belongs to, to go on with: put it into the headers of calls that the handler makes. Undefined
   * when the job was created without one and nobody traces.
   */
  readonly traceContext?: TraceContext | undefined;
  /**
   * Creates a job, where this one came from. It belongs to the same trace unless it says otherwise. When this job runs again, a create
   * that says the same as one of an earlier run creates nothing and answers that job, `deduplicated`; the second create of the same in
   * one run is another job. What differs from run to run, such as a time in the payload, makes it another one: give it a `requestId`
   * of your own then. `requestId: ""`: it is created in each run. FIELD_INVALID, JOB_EXISTS, QUEUE_NOT_FOUND, QUEUE_FULL; in a worker
   * also errors of the call, such as SCOPE_MISSING for a token that may not produce.
   */
  enqueue(task: NewJob<Jobs>): Promise<EnqueuedJob>;
  /**
   * Creates 1 to 1000 jobs, all or none, each as `enqueue` does: those that an earlier run created are answered, the others are created
   * now. Resolves to one result for each, in order. Errors as of `enqueue`; of invalid fields as `requests[2].priority`.
   */
  enqueueBatch(tasks: readonly NewJob<Jobs>[]): Promise<readonly EnqueuedJob[]>;
  /** Adds the job's id, type and queue to every log line. */
  readonly logger: Logger;
}

/** What a create of a handler came to. */
export interface EnqueuedJob {
  readonly id: string;
  /** Whether no job was created, as there was one: an earlier run of the handler made it, or it holds the unique key. */
  readonly deduplicated: boolean;
  /** Whether the job that held the unique key became what this create asks for. */
  readonly replaced: boolean;
}

/** Why an attempt should end. */
export type AbortReason = "CANCELED" | "TIMEOUT" | "SHUTDOWN" | "LEASE_LOST";

/** The `reason` of an aborted `HandlerContext.signal`. */
export class AttemptAborted extends Error {
  override readonly name = "AbortError";

  constructor(
    readonly reason: AbortReason,
    message: string,
  ) {
    super(message);
  }
}

/**
 * How long a handler that keeps running after its timeout still occupies its slot, ms. It occupies the slot so that no
 * more handlers run than there are slots, but not forever, so that a handler that hangs does not cost a slot for good.
 * After a lost lease the slot is free at once: the server no longer counts the job as this worker's and hands out the
 * next one.
 */
export const STUCK_HANDLER_MS = 5000;

/** How long handlers have to react to the abort signal at shutdown, ms. */
export const ABORT_GRACE_MS = 500;

const ABORT_MESSAGES: Readonly<Record<Exclude<AbortReason, "SHUTDOWN">, string>> = {
  CANCELED: "the job was cancelled",
  TIMEOUT: "the attempt took longer than the job's timeout",
  LEASE_LOST: "the lease was lost: another worker may run the job",
};

/** Returns the reason for aborting a handler's signal. `host` is what runs the handler; it is named in the message. */
export function attemptAborted(reason: AbortReason, host: "server" | "worker"): AttemptAborted {
  return new AttemptAborted(reason, reason === "SHUTDOWN" ? `the ${host} is shutting down` : ABORT_MESSAGES[reason]);
}

/**
 * A progress report as it is kept: the percentage within 0 to 100, the message cut to its limit. Never throws: a report
 * may come from a timer, where nobody would catch it. A percentage that is no number counts as 0, a message that has no
 * text as none.
 */
export function toProgress(percent: unknown, message: unknown = ""): Progress {
  return {
    percent: Math.min(100, Math.max(0, guarded(() => Number(percent), 0) || 0)),
    message: cutText(
      guarded(() => String(message), ""),
      LIMITS.progressLength,
    ).toWellFormed(),
  };
}
