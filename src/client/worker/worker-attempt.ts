import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Job as JobPb } from "../../../gen/gotaskq/v1/job_pb.js";
import { readContent } from "../../api/job-content.js";
import { EnqueueIds } from "../../model/handler/enqueue-ids.js";
import { HandledJob } from "../../model/handler/handled-job.js";
import {
  type AbortReason,
  attemptAborted,
  type EnqueuedJob,
  type HandlerContext,
  toProgress,
} from "../../model/handler/handler.js";
import { type Progress, textOf } from "../../model/job/job.js";
import type { NewJob } from "../../model/job/new-job.js";
import { type JobFields, jobFields } from "../../model/log/job-fields.js";
import type { Logger } from "../../model/log/logger.js";
import { type TraceContext, toTraceContext } from "../../model/log/trace-context.js";
import type { AttemptSpan, Tracer } from "../../model/log/tracer.js";
import type { Timer } from "../../model/process/long-timer.js";
import { toJobRequest, toJobRequests } from "../../model/request/job-request.js";
import type { JobRequest } from "../../model/request/validate.js";
import { fromPayloadKind } from "../convert/json.js";
import { lengthOf } from "../convert/times.js";

/** The stream that a job came on. */
export interface JobSource {
  /** Most leases on it at the same time. */
  readonly size: number;
  /** Whether more jobs may come on it. False once it ended or drains. */
  isTaking: boolean;
  /** Leases that came on it and are not over. */
  held: number;
}

/** What all attempts of a worker share. */
export interface AttemptHost {
  /** For what handlers log. */
  readonly logger: Logger;
  readonly tracer: Tracer;
  /** Called when there is a progress report to send. */
  report(attempt: WorkerAttempt): void;
  /** Creates a job of a handler. */
  create(task: NewJob): Promise<EnqueuedJob>;
  /** Creates several, all or none. */
  createBatch(tasks: readonly NewJob[]): Promise<readonly EnqueuedJob[]>;
}

/** One lease of this worker and the run of its handler. */
export class WorkerAttempt implements HandlerContext {
  readonly jobId: string;
  readonly token: string;
  readonly job: JobPb;
  readonly source: JobSource;
  /**
   * When the lease ends as far as this worker knows, ms on the monotonic clock. At first it may be late by the time
   * that the lease took to arrive; once extended, it is never later than on the server.
   */
  until: number;
  /** Whether its outcome is not decided yet. */
  isOpen = true;
  /** Whether it takes up a slot of the worker. */
  hasSlot = false;
  /** Whether its handler has ended, and its progress is told. */
  hasEnded = false;
  /** Undefined when nobody traces, and before the handler runs. */
  span: AttemptSpan | undefined;
  /** Why `signal` was aborted; undefined when it was not. */
  aborted: AbortReason | undefined;
  /** The job as its handler sees it; undefined: the handler has not begun. */
  remote: RemoteJob | undefined;
  /** What the handler returned. */
  ended: unknown;
  /** What the handler threw; of an attempt that took too long, an error that says so. */
  thrown: unknown;
  /** The latest progress report that is not sent yet. */
  unwritten: Progress | undefined;
  /** The timeout of the attempt; once it is decided, when a handler that goes on gives up its slot. */
  timer: Timer | undefined;
  /** When the timeout passes, ms since 1970; 0: it has none, or has not begun. */
  endsAt = 0;
  readonly #host: AttemptHost;
  #controller: AbortController | undefined;
  #progress: ((percent: number, message?: string) => void) | undefined;
  #enqueue: ((task: NewJob) => Promise<EnqueuedJob>) | undefined;
  #enqueueBatch: ((tasks: readonly NewJob[]) => Promise<readonly EnqueuedJob[]>) | undefined;
  #ids: EnqueueIds | undefined;

  constructor(job: JobPb, token: string, until: number, source: JobSource, host: AttemptHost) {
    this.jobId = job.id;
    this.job = job;
    this.token = token;
    this.until = until;
    this.source = source;
    this.#host = host;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.aborted !== undefined) this.#controller.abort(attemptAborted(this.aborted, "worker"));
    }
    return this.#controller.signal;
  }

  get attempt(): number {
    return this.job.retryCount + 1;
  }

  get deadline(): Date | undefined {
    return this.endsAt === 0 ? undefined : new Date(this.endsAt);
  }

  get traceContext(): TraceContext | undefined {
    if (this.span !== undefined) return this.span.context;
    return this.job.traceContext && toTraceContext(this.job.traceContext);
  }

  /** What each line of the log says of the job. */
  get logFields(): JobFields {
    const { id, queue, type, deliveries, retryCount } = this.job;
    return jobFields({ id, queue, type, deliveries, retryCount, traceContext: this.traceContext });
  }

  get logger(): Logger {
    return this.#host.logger.child(this.logFields);
  }

  /** A function of its own, made at its first use, so that handlers may take it out of the context. */
  get progress(): (percent: number, message?: string) => void {
    this.#progress ??= (percent, message = "") => {
      if (!this.isOpen) return;
      this.unwritten = toProgress(percent, message);
      this.#host.report(this);
    };
    return this.#progress;
  }

  /** As `progress`, a function of its own. */
  get enqueue(): (task: NewJob) => Promise<EnqueuedJob> {
    this.#enqueue ??= async (task) => {
      const active = this.#host.tracer.active();
      return this.#host.create(await this.#toCreate(task, toJobRequest(task, active ?? this.traceContext), active));
    };
    return this.#enqueue;
  }

  /** As `progress`, a function of its own. */
  get enqueueBatch(): (tasks: readonly NewJob[]) => Promise<readonly EnqueuedJob[]> {
    this.#enqueueBatch ??= async (tasks) => {
      const active = this.#host.tracer.active();
      const requests = toJobRequests(tasks, active ?? this.traceContext);
      return this.#host.createBatch(
        await Promise.all(requests.map((request, at) => this.#toCreate(tasks[at] as NewJob, request, active))),
      );
    };
    return this.#enqueueBatch;
  }

  /** A job of the handler as it is created: with what makes the create safe to repeat. `request`: the same, converted. */
  async #toCreate(task: NewJob, request: JobRequest, active: TraceContext | undefined): Promise<NewJob> {
    this.#ids ??= new EnqueueIds(this.jobId);
    const requestId = request.requestId ?? (await this.#ids.next(request));
    // Where it is in a trace, the client tells by itself.
    const traceContext = task.traceContext ?? (active === undefined ? request.traceContext : undefined);
    return { ...task, traceContext, requestId };
  }

  /** Longest run of the handler, ms. 0: no limit. */
  get timeoutMs(): number {
    return lengthOf(this.job.timeout) ?? 0;
  }

  /** Aborts `signal`. Only the first reason counts. */
  abort(reason: AbortReason): void {
    if (this.aborted !== undefined) return;
    this.aborted = reason;
    this.#controller?.abort(attemptAborted(reason, "worker"));
  }
}

/** A job as its handler sees it. The payload is converted at its first use. */
export class RemoteJob extends HandledJob {
  readonly #job: JobPb;
  #payload: unknown;

  constructor(job: JobPb) {
    super();
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
    this.#payload ??= readContent(fromPayloadKind(this.#job.payloadKind));
    return this.#payload;
  }
  get payloadText(): string | undefined {
    return textOf(fromPayloadKind(this.#job.payloadKind));
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
  get key(): string | undefined {
    return this.#job.key || undefined;
  }
  get schedule(): string | undefined {
    return this.#job.schedule || undefined;
  }
  get scheduledFor(): Date | undefined {
    return this.#job.scheduledFor && timestampDate(this.#job.scheduledFor);
  }
}
