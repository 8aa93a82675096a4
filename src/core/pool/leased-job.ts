import { HandledJob } from "../../model/handler/handled-job.js";
import type { JsonValue } from "../../model/handler/handler.js";
import { textOf } from "../../model/job/job.js";
import type { RunJob } from "../handler-runner.js";

/**
 * A job as its handler sees it. The payload is parsed on first access. Bytes and metadata are copies: the handler may change them, and
 * those of the store are for its next attempt.
 */
export class LeasedJob extends HandledJob {
  readonly #job: RunJob;
  #payload: JsonValue | Uint8Array | undefined;
  #metadata: Readonly<Record<string, string>> | undefined;

  constructor(job: RunJob) {
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
    const { payload } = this.#job;
    if (this.#payload === undefined && payload !== undefined) {
      this.#payload = typeof payload === "string" ? (JSON.parse(payload) as JsonValue) : new Uint8Array(payload);
    }
    return this.#payload;
  }
  get payloadText(): string | undefined {
    return textOf(this.#job.payload);
  }
  get priority(): number {
    return this.#job.priority;
  }
  get metadata(): Readonly<Record<string, string>> {
    this.#metadata ??= { ...this.#job.metadata };
    return this.#metadata;
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
    return new Date(this.#job.createdAt);
  }
  get key(): string | undefined {
    return this.#job.key;
  }
  get schedule(): string | undefined {
    return this.#job.schedule;
  }
  get scheduledFor(): Date | undefined {
    const { scheduledFor } = this.#job;
    return scheduledFor === undefined ? undefined : new Date(scheduledFor);
  }
}
