import { compareRunAfter } from "../../../model/queue/order.js";
import type { QueueOrdering } from "../../../model/queue/queue.js";
import { isWaiting, type JobRecord } from "../records/job-record.js";
import { OrderedQueue } from "./ordered-queue.js";

type Level<Queue> = OrderedQueue<JobRecord<Queue>>;

/** A line among those by age. None of its jobs has an earlier runAfter than `since`. */
export interface Aged<Queue> {
  readonly line: ReadyLine<Queue>;
  readonly since: number;
}

/**
 * Jobs of one type in the order of their queue: one level for each priority under PRIORITY and FAIR, a single level under
 * RUN_AFTER.
 */
export class ReadyLine<Queue> {
  /** Number of its jobs. */
  count = 0;
  /** Its entry among the lines by age. */
  aged: Aged<Queue> | undefined;
  #levels: readonly (Level<Queue> | undefined)[] = NO_LEVELS;

  constructor(readonly type: string) {}

  peek(): JobRecord<Queue> | undefined {
    if (this.count === 0) return undefined;
    for (let at = this.#levels.length - 1; at >= 0; at--) {
      const head = this.#levels[at]?.peek();
      if (head !== undefined) return head;
    }
    return undefined;
  }

  /** The earliest runAfter of all: each level is in that order, so the heads are enough. Infinity when empty. */
  oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const level of this.#levels) oldest = Math.min(oldest, level?.peek()?.runAfter ?? oldest);
    return oldest;
  }

  push(record: JobRecord<Queue>, ordering: QueueOrdering): void {
    this.#level(record, ordering).push(record);
    this.count++;
  }

  /** Removes the job that `peek` returned. */
  pop(head: JobRecord<Queue>, ordering: QueueOrdering): void {
    this.#level(head, ordering).pop();
    this.count--;
  }

  /** Removes a job that was in it, and is no longer waiting. */
  discard(record: JobRecord<Queue>, ordering: QueueOrdering): void {
    this.count--;
    this.#level(record, ordering).discard();
  }

  /** Removes up to `limit` jobs and returns them. */
  popAny(limit: number): JobRecord<Queue>[] {
    const records: JobRecord<Queue>[] = [];
    for (const level of this.#levels) {
      while (level !== undefined && records.length < limit) {
        const record = level.pop();
        if (record === undefined) break;
        records.push(record);
      }
    }
    this.count -= records.length;
    return records;
  }

  #level({ priority }: JobRecord<Queue>, ordering: QueueOrdering): Level<Queue> {
    const at = ordering === "RUN_AFTER" ? 0 : priority;
    const level = this.#levels[at];
    if (level !== undefined) return level;
    const added: Level<Queue> = new OrderedQueue<JobRecord<Queue>>(compareRunAfter, isWaiting);
    // Of just the length that is needed: there may be very many lines.
    const length = Math.max(at + 1, this.#levels.length);
    this.#levels = Array.from({ length }, (_, other) => (other === at ? added : this.#levels[other]));
    return added;
  }
}

const NO_LEVELS: readonly undefined[] = [];
