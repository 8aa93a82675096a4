import { durationMs, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Job as JobPb } from "../../../gen/gotaskq/v1/job_pb.js";
import {
  type AbortReason,
  attemptAborted,
  type HandlerContext,
  type HandlerJob,
  type JsonValue,
  toProgress,
} from "../../model/handler.js";
import type { Progress } from "../../model/job.js";
import type { Logger } from "../../model/logger.js";
import { fromPayloadKind } from "../json.js";

/** A stream of jobs, as far as those that came on it care. */
export interface JobSource {
  /** Most leases on it. */
  readonly size: number;
  /** Whether the server may send more jobs on it: false once it ended, or drains. */
  isTaking: boolean;
  /** Leases on it that are not over. */
  held: number;
}

/** One lease of this worker, and the run of its handler. Open until its outcome is decided. */
export class WorkerAttempt implements HandlerContext {
  readonly jobId: string;
  readonly token: string;
  readonly job: JobPb;
  readonly source: JobSource;
  /** The end of the lease on the monotonic clock, as far as is known here: no later than the server has it. */
  until: number;
  isOpen = true;
  /** Whether it holds a slot of the worker. */
  hasSlot = false;
  /** Why the signal was aborted, if it was. */
  aborted: AbortReason | undefined;
  /** The latest report that is not written yet. */
  unwritten: Progress | undefined;
  timer: NodeJS.Timeout | undefined;
  readonly #logger: Logger;
  readonly #reported: (attempt: WorkerAttempt) => void;
  #controller: AbortController | undefined;

  /** `reported` is called when there is a progress report to write. */
  constructor(
    job: JobPb,
    token: string,
    until: number,
    source: JobSource,
    logger: Logger,
    reported: (attempt: WorkerAttempt) => void,
  ) {
    this.jobId = job.id;
    this.job = job;
    this.token = token;
    this.until = until;
    this.source = source;
    this.#logger = logger;
    this.#reported = reported;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.aborted !== undefined) this.#controller.abort(attemptAborted(this.aborted, "worker"));
    }
    return this.#controller.signal;
  }

  get logger(): Logger {
    const { id, queue, type } = this.job;
    return this.#logger.child({ job: id, queue, type });
  }

  // Bound, as handlers take it out of the context.
  readonly progress = (percent: number, message = ""): void => {
    if (!this.isOpen) return;
    this.unwritten = toProgress(percent, message);
    this.#reported(this);
  };

  /** Longest run, ms; 0: no limit. */
  get timeoutMs(): number {
    return this.job.timeout === undefined ? 0 : durationMs(this.job.timeout);
  }

  abort(reason: AbortReason): void {
    if (this.aborted !== undefined) return;
    this.aborted = reason;
    this.#controller?.abort(attemptAborted(reason, "worker"));
  }
}

/** A job as its handler sees it; the payload is converted when it is asked for. */
export class RemoteJob implements HandlerJob {
  readonly #job: JobPb;
  #payload: JsonValue | Uint8Array | undefined;

  constructor(job: JobPb) {
    this.#job = job;
  }

  get id(): string {
    return this.#job.id;
  }
  get queue(): string {
    return this.#job.queue;
  }
  get type(): string {
    return this.#job.type;
  }
  get payload(): unknown {
    this.#payload ??= fromPayloadKind(this.#job.payloadKind);
    return this.#payload;
  }
  get priority(): number {
    return this.#job.priority;
  }
  get metadata(): Readonly<Record<string, string>> {
    return this.#job.metadata;
  }
  get deliveries(): number {
    return this.#job.deliveries;
  }
  get retryCount(): number {
    return this.#job.retryCount;
  }
  get maxRetries(): number {
    return this.#job.maxRetries;
  }
  get createdAt(): Date {
    return this.#job.createdAt === undefined ? new Date(0) : timestampDate(this.#job.createdAt);
  }
}
