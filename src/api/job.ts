import type { AttemptError, Backoff, JobStatus, JobState as State } from "../model/job/job.js";
import type { AnyJobs, JobTypes, Json, PayloadOf, ResultOf, TypeOf } from "../model/job/job-types.js";
import type { HeldBy, PendingState } from "../model/job/pending-state.js";
import type { Unique } from "../model/job/unique.js";
import type { TraceContext } from "../model/log/trace-context.js";

/** The part of a job that changes, with its queue, type and priority. Times in ms since 1970. */
export interface JobState extends State {
  readonly queue: string;
  readonly type: string;
  /** 0 to 10, higher first. */
  readonly priority: number;
}

/** A job of one type at one moment. Durations in ms, times in ms since 1970. */
export interface JobOfType<Type extends string, Payload, Result> extends JobState {
  readonly id: string;
  readonly type: Type;
  /** A JSON value, or bytes as a Uint8Array; undefined when there is none, or a listing was asked for none. */
  readonly payload: Payload;
  /** What its handler returned, set once it is DONE; as `payload`. */
  readonly result: Result | undefined;
  /**
   * The payload to the letter, as JSON; undefined when there is none, or it is bytes. Numbers that JavaScript cannot tell apart, such as
   * integers beyond 2^53, are told apart here.
   */
  readonly payloadText: string | undefined;
  /** The result to the letter; as `payloadText`. */
  readonly resultText: string | undefined;
  /** Whether its handler returned a result that was left out, as there was no room to keep it. */
  readonly resultDropped: boolean;
  readonly maxRetries: number;
  readonly backoff: Backoff;
  /** Longest run of one attempt. 0: no limit. */
  readonly timeoutMs: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** The trace that it belongs to; undefined: it was created without one. */
  readonly traceContext: TraceContext | undefined;
  /** When it is CANCELED if no worker was given it by then; undefined: never. */
  readonly expiresAt: number | undefined;
  /** The unique key that it holds or held in its queue, and until when; undefined: it was created without one. */
  readonly unique: Unique | undefined;
  /** Whose it is: what its queue bounds and gives turns by; undefined: nobody's. */
  readonly key: string | undefined;
  /** The name of the schedule of its queue that made it; undefined: somebody created it. */
  readonly schedule: string | undefined;
  /** The time of that schedule that it was made for; undefined: no schedule made it. */
  readonly scheduledFor: number | undefined;
  /** What it waits for, as of when it was read; undefined: it is not PENDING, or a create has answered it. */
  readonly pendingState: PendingState | undefined;
  /** Why no worker gets it though its time has come; undefined: nothing holds it back, and as above. */
  readonly heldBy: HeldBy | undefined;
  /** The last 10 failed attempts, oldest first. */
  readonly attemptErrors: readonly AttemptError[];
  readonly createdAt: number;
}

/** A job at one moment, of one of these types: a look at its `type` tells which payload and result it has. */
export type Job<Jobs extends JobTypes<Jobs> = AnyJobs, Type extends TypeOf<Jobs> = TypeOf<Jobs>> = Type extends unknown
  ? JobOfType<Type, Json<PayloadOf<Jobs, Type>>, Json<ResultOf<Jobs, Type>>>
  : never;

/** One change of one job, without payload and result. */
export interface JobChange<Type extends string = string> extends JobState {
  readonly jobId: string;
  readonly type: Type;
  /** Whether the job was deleted. The other fields are then its last state. */
  readonly deleted: boolean;
}

/** Which changes to watch. What is empty or not set matches all. */
export interface ChangeFilter<Type extends string = string> {
  readonly queues?: Iterable<string> | undefined;
  readonly types?: Iterable<Type> | undefined;
  readonly statuses?: Iterable<JobStatus> | undefined;
}

/** An event of a watch of many jobs. `cursor` is the position after it: a watch that begins there misses no change. */
export type JobsEvent<Type extends string = string> =
  | { readonly kind: "event"; readonly change: JobChange<Type>; readonly cursor: string }
  | { readonly kind: "heartbeat"; readonly cursor: string };
