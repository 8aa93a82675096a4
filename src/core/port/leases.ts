import type { Job, JobStatus, Payload, Progress } from "../../model/job/job.js";
import type { Outcome, RetryDecision } from "../../model/job/outcome.js";

/** A request for leases. */
export interface LeaseRequest {
  /** In order of preference; unknown queues are skipped. */
  readonly queues: readonly string[];
  readonly types: readonly string[];
  readonly max: number;
  readonly leaseMs: number;
  /** Name of the worker. */
  readonly worker: string;
  /**
   * Whether it is for the handlers of a server, which end with it. At the start of a store in a file such leases count as lost at once:
   * the servers that it had have ended. Default: false.
   */
  readonly isBuiltIn?: boolean | undefined;
  /** Called with each queue that has no more jobs to lease of these types for now. It must not throw. */
  readonly emptied?: ((queue: string) => void) | undefined;
  /** Stop leasing after about this many bytes of jobs (`jobBytes`); the last job may exceed it. Default: what the store chooses. */
  readonly maxBytes?: number | undefined;
  /**
   * Makes the call safe to repeat: for `leaseMs`, a call of the same worker with the same requestId leases nothing new
   * and returns those of the leases that are still held, in their current state; `max: 0` only asks for them. If none
   * is held any more, or none was leased, the requestId counts as unused. A backend remembers a bounded number of the
   * latest requestIds.
   */
  readonly requestId?: string | undefined;
}

/** The exclusive right to run a job for a limited time. */
export interface Lease {
  readonly job: Job;
  /** The lease token: fences writes, as one with any other token is refused with LEASE_LOST. */
  readonly token: string;
  readonly expiresInMs: number;
}

/** Identifies a lease. */
export interface LeaseRef {
  readonly jobId: string;
  readonly token: string;
}

/** Gives a lease back. */
export interface Release extends LeaseRef {
  /** Whether the worker that had the job is gone: it counts as a lost lease, like one that ran out. Default: false. */
  readonly isLost?: boolean | undefined;
  /** The job is ready again after this many ms, a whole number, and its `runAfter` is then. Default: at once, in its old place. */
  readonly delayMs?: number | undefined;
}

/** Reports that an attempt succeeded. */
export interface Completion extends LeaseRef {
  readonly result: Payload | undefined;
}

/** Reports that an attempt failed. */
export interface Failure extends LeaseRef {
  readonly error: string;
  readonly retry: RetryDecision;
  /** Random number from 0 to 1 for the jitter of the backoff. */
  readonly jitter: number;
}

/** Extends a lease, stores progress, or both. With neither it changes nothing and only asks how the lease stands. */
export interface Extension extends LeaseRef {
  /** The lease should last at least this long from now, ms; it is never shortened. Undefined: keep its end. */
  readonly leaseMs?: number | undefined;
  readonly progress?: Progress | undefined;
}

/** The result of settling a job. `applied` is set only if this write changed the job. */
export interface Settlement {
  readonly outcome: Outcome;
  readonly applied?: {
    readonly queue: string;
    readonly type: string;
    /** The job's status after the write. */
    readonly status: JobStatus;
    /** How long the attempt took, ms. */
    readonly durationMs: number;
  };
}

/** The result of an extension. */
export interface ExtendResult {
  /** CANCEL_REQUESTED: progress was stored, the lease not extended. The worker should stop, then fail or release it. */
  readonly outcome: "OK" | "LEASE_LOST" | "CANCEL_REQUESTED";
  /** Time left on the lease, ms; 0 with LEASE_LOST. */
  readonly expiresInMs: number;
}

/** A job whose lease expired. */
export interface LostLease {
  readonly jobId: string;
  /** Number of the delivery that was lost. */
  readonly deliveries: number;
  /** Who had it. */
  readonly worker: string;
  readonly queue: string;
  readonly type: string;
  /** The job's status after that: PENDING, DEAD or CANCELED. */
  readonly status: JobStatus;
}
