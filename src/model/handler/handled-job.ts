import type { HandlerJob } from "./handler.js";

/** By this, Node's console asks an object what to show of it. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/**
 * A job as its handler sees it. Its fields are accessors, which make what they return when somebody asks: JSON and consoles would pass over
 * them, and show nothing of a job that a handler logs.
 */
export abstract class HandledJob implements HandlerJob {
  abstract readonly id: string;
  abstract readonly queue: string;
  abstract readonly type: string;
  abstract readonly payload: unknown;
  abstract readonly payloadText: string | undefined;
  abstract readonly priority: number;
  abstract readonly metadata: Readonly<Record<string, string>>;
  abstract readonly deliveries: number;
  abstract readonly retryCount: number;
  abstract readonly maxRetries: number;
  abstract readonly createdAt: Date;
  abstract readonly key: string | undefined;
  abstract readonly schedule: string | undefined;
  abstract readonly scheduledFor: Date | undefined;

  /** What JSON has of it: all but the payload as text, which says the same once more. */
  toJSON(): object {
    const { id, queue, type, payload, priority, metadata, deliveries, retryCount, maxRetries } = this;
    const { createdAt, key, schedule, scheduledFor } = this;
    const first = { id, queue, type, payload, priority, metadata, deliveries, retryCount, maxRetries, createdAt };
    return { ...first, key, schedule, scheduledFor };
  }

  [INSPECT](): object {
    return this.toJSON();
  }
}
