import { isAutomatic, MAX_REQUEST_IDS, REQUEST_ID_TTL_MS } from "../../model/job/request-id.js";
import { OrderedQueue } from "./indexes/ordered-queue.js";
import type { JobTimes } from "./records/job-record.js";
import { small } from "./records/run-record.js";

/** The job that was created with a request id: its record. */
export interface RequestedJob {
  readonly requestId: string | undefined;
  /** The number in its id. */
  readonly number: string;
}

/** A create without a job of its own: that is gone, or it met another one. */
export class JoblessCreate implements RequestedJob {
  constructor(
    readonly requestId: string,
    /** Of the job that it made, or met. */
    readonly number: string,
    /** What it did to the job whose unique key it met. */
    readonly met?: "KEPT" | "REPLACED" | undefined,
  ) {}
}

/** What is remembered of a create. */
export class RememberedCreate {
  constructor(
    public job: RequestedJob | JoblessCreate,
    /** Tells the content of the request; see `contentDigest`. */
    readonly digest: string,
    /** Those of the job when it was created. */
    readonly times: JobTimes,
    /** When it may be forgotten, whole ms on the monotonic clock, rounded up to be `small`. */
    readonly end: number,
  ) {}

  get requestId(): string {
    return this.job.requestId ?? "";
  }

  /** Whether it is remembered with its job, whatever its time. */
  get isWithJob(): boolean {
    return !(this.job instanceof JoblessCreate) && !isAutomatic(this.requestId);
  }

  get number(): string {
    return this.job.number;
  }

  /** What it did instead to the job whose unique key it met. */
  get met(): JoblessCreate["met"] {
    return this.job instanceof JoblessCreate ? this.job.met : undefined;
  }
}

/**
 * The request ids that a queue remembers: with their jobs, and for `REQUEST_ID_TTL_MS` at the least; automatic ones, and those
 * of creates that met a job, for just that time. No more than `MAX_REQUEST_IDS`. Times are ms on the monotonic clock.
 */
export class RequestIds {
  readonly #byId = new Map<string, RememberedCreate>();
  /** Those that are remembered for a time, and those that are with their jobs, whatever their time. */
  readonly #timed = this.#newOrder();
  readonly #kept = this.#newOrder();

  /** What was created with a request id; undefined when it is not remembered. */
  find(requestId: string, now: number): RememberedCreate | undefined {
    this.#forget(now);
    return this.#byId.get(requestId);
  }

  /** What is remembered now, whether or not it has had its time. */
  get(requestId: string): RememberedCreate | undefined {
    return this.#byId.get(requestId);
  }

  /** Remembers a create with a request id that is not remembered; `times`: of its job when it was created. */
  add(job: RequestedJob | JoblessCreate, digest: string, times: JobTimes, now: number): void {
    const create = new RememberedCreate(job, digest, times, small(Math.ceil(now + REQUEST_ID_TTL_MS)));
    this.#put(create);
    if (this.#byId.size > MAX_REQUEST_IDS) this.#drop(this.#timed.size > 0 ? this.#timed : this.#kept);
  }

  /** The job that was created with this request id is gone. */
  jobGone(requestId: string, number: string, now: number): void {
    const create = this.#byId.get(requestId);
    if (create?.number !== number || create.job instanceof JoblessCreate) return;
    // The record of the job is let go of.
    const jobless = new JoblessCreate(requestId, number);
    if (!create.isWithJob) {
      create.job = jobless;
      return;
    }
    this.#byId.delete(requestId);
    this.#kept.discard();
    const { digest, times, end } = create;
    if (end > now) this.#put(new RememberedCreate(jobless, digest, times, end));
  }

  /** Forgets what has had its time. */
  #forget(now: number): void {
    while ((this.#timed.peek()?.end ?? Number.POSITIVE_INFINITY) <= now) this.#drop(this.#timed);
  }

  #put(create: RememberedCreate): void {
    this.#byId.set(create.requestId, create);
    this.#orderOf(create).push(create);
  }

  #orderOf({ isWithJob }: RememberedCreate): OrderedQueue<RememberedCreate> {
    return isWithJob ? this.#kept : this.#timed;
  }

  #drop(order: OrderedQueue<RememberedCreate>): void {
    const first = order.pop();
    if (first !== undefined) this.#byId.delete(first.requestId);
  }

  #newOrder(): OrderedQueue<RememberedCreate> {
    return new OrderedQueue<RememberedCreate>(
      (a, b) => a.end - b.end,
      (create) => this.#byId.get(create.requestId) === create,
    );
  }
}
