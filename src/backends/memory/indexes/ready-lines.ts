import { LIMITS } from "../../../model/limits.js";
import { compareReady, compareRunAfter } from "../../../model/order.js";
import type { QueueOrdering } from "../../../model/queue.js";
import type { JobRecord, SharedJobSpec } from "../job-record.js";
import { OrderedQueue } from "./ordered-queue.js";

/** Empty lines are dropped when there are this many lines, and again each time their number has doubled. */
const MANY_LINES = 256;

/** The ready jobs of one type: one level for each priority under PRIORITY, a single level under RUN_AFTER. */
export class ReadyLine<Queue> {
  count = 0;
  /** Shared spec of the last job of this type; the next one reuses it when it is equal. */
  shared: SharedJobSpec<Queue> | undefined;
  /** Its entry among the lines by age. */
  aged: Aged<Queue> | undefined;
  readonly levels: (OrderedQueue<JobRecord<Queue>> | undefined)[] = [];

  constructor(readonly type: string) {}

  peek(): JobRecord<Queue> | undefined {
    if (this.count === 0) return undefined;
    for (let at = this.levels.length - 1; at >= 0; at--) {
      const head = this.levels[at]?.peek();
      if (head !== undefined) return head;
    }
    return undefined;
  }

  /** The earliest runAfter of all: each level is in that order, so the heads are enough. Infinity when empty. */
  oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const level of this.levels) oldest = Math.min(oldest, level?.peek()?.runAfter ?? oldest);
    return oldest;
  }
}

/** A line among those by age. None of its ready jobs has an earlier runAfter than `since`. */
interface Aged<Queue> {
  readonly line: ReadyLine<Queue>;
  readonly since: number;
}

/**
 * The ready jobs of a queue, in a line for each type. Figures over all types cost no more for many types than for one: which
 * job is the oldest is found again only where jobs have left, and the first types are sorted anew only when one of them has
 * come or gone.
 */
export class ReadyLines<Queue> {
  readonly #isWaiting: (record: JobRecord<Queue>) => boolean;
  readonly #lines = new Map<string, ReadyLine<Queue>>();
  readonly #byAge = new OrderedQueue<Aged<Queue>>(
    (a, b) => a.since - b.since,
    (aged) => aged.line.aged === aged,
  );
  #firstTypes: readonly string[] | undefined;
  #count = 0;
  #manyLines = MANY_LINES;

  constructor(isWaiting: (record: JobRecord<Queue>) => boolean) {
    this.#isWaiting = isWaiting;
  }

  /** Number of ready jobs. */
  get count(): number {
    return this.#count;
  }

  /** Number of ready jobs of a type. */
  countOf(type: string): number {
    return this.#lines.get(type)?.count ?? 0;
  }

  /** The types that have ready jobs; undefined when there are many lines. */
  get types(): readonly string[] | undefined {
    if (this.#lines.size > MANY_LINES) return undefined;
    return [...this.#lines.values()].filter(({ count }) => count > 0).map(({ type }) => type);
  }

  /** The first types that have ready jobs, in order: `LIMITS.readyTypes` of them. */
  get firstTypes(): readonly string[] {
    if (this.#firstTypes !== undefined) return this.#firstTypes;
    let types: string[] = [];
    const sort = () => types.sort().slice(0, LIMITS.readyTypes);
    for (const line of this.#lines.values()) {
      // Sorted now and then: there may be very many, and only the first are wanted.
      if (line.count > 0 && types.push(line.type) === 500) types = sort();
    }
    this.#firstTypes = sort();
    return this.#firstTypes;
  }

  /** The earliest runAfter of a ready job; infinity when there is none. */
  oldest(): number {
    for (let first = this.#byAge.peek(); first !== undefined; first = this.#byAge.peek()) {
      const { line, since } = first;
      const oldest = line.oldest();
      if (oldest === since) return since;
      this.#byAge.pop();
      line.aged = undefined;
      if (oldest !== Number.POSITIVE_INFINITY) this.#noteAge(line, oldest);
    }
    return Number.POSITIVE_INFINITY;
  }

  /** The line of a type, made if there is none. */
  line(type: string): ReadyLine<Queue> {
    let line = this.#lines.get(type);
    if (line === undefined) {
      if (this.#lines.size >= this.#manyLines) this.#dropIdleLines();
      line = new ReadyLine<Queue>(type);
      this.#lines.set(type, line);
    }
    return line;
  }

  put(record: JobRecord<Queue>, ordering: QueueOrdering): void {
    const line = this.line(record.type);
    this.#level(line, record, ordering).push(record);
    this.#count++;
    if (line.count++ === 0) this.#typeCame(line.type);
    if (line.aged === undefined || record.runAfter < line.aged.since) this.#noteAge(line, record.runAfter);
  }

  /** Removes a job that was ready; its status must have changed already. */
  discard(record: JobRecord<Queue>, ordering: QueueOrdering): void {
    const line = this.#lines.get(record.type);
    if (line === undefined) return;
    this.#left(line, 1);
    this.#level(line, record, ordering).discard();
  }

  /** Removes the first job of these types and returns it. */
  take(types: readonly string[], ordering: QueueOrdering): JobRecord<Queue> | undefined {
    if (this.#count === 0) return undefined;
    let best: JobRecord<Queue> | undefined;
    let from: ReadyLine<Queue> | undefined;
    for (const type of types) {
      const line = this.#lines.get(type);
      const head = line?.peek();
      if (head !== undefined && (best === undefined || compareReady(ordering, head, best) < 0)) {
        best = head;
        from = line;
      }
    }
    if (best === undefined || from === undefined) return undefined;
    this.#level(from, best, ordering).pop();
    this.#left(from, 1);
    return best;
  }

  /** Removes up to `limit` jobs and returns them. */
  takeAny(limit: number): JobRecord<Queue>[] {
    const records: JobRecord<Queue>[] = [];
    for (const line of this.#lines.values()) {
      if (records.length >= limit) break;
      const before = records.length;
      for (const level of line.levels) {
        while (level !== undefined && records.length < limit) {
          const record = level.pop();
          if (record === undefined) break;
          records.push(record);
        }
      }
      if (records.length > before) this.#left(line, records.length - before);
    }
    return records;
  }

  #level(line: ReadyLine<Queue>, record: JobRecord<Queue>, ordering: QueueOrdering): OrderedQueue<JobRecord<Queue>> {
    const at = ordering === "PRIORITY" ? record.priority : 0;
    line.levels[at] ??= new OrderedQueue(compareRunAfter, this.#isWaiting);
    return line.levels[at];
  }

  #left(line: ReadyLine<Queue>, jobs: number): void {
    this.#count -= jobs;
    line.count -= jobs;
    const last = this.#firstTypes?.at(-1);
    if (line.count === 0 && last !== undefined && line.type <= last) this.#firstTypes = undefined;
  }

  #typeCame(type: string): void {
    const first = this.#firstTypes;
    if (first === undefined) return;
    if (first.length < LIMITS.readyTypes || type < (first.at(-1) as string)) this.#firstTypes = undefined;
  }

  #noteAge(line: ReadyLine<Queue>, since: number): void {
    this.#forgetAge(line);
    line.aged = { line, since };
    this.#byAge.push(line.aged);
  }

  #forgetAge(line: ReadyLine<Queue>): void {
    if (line.aged === undefined) return;
    line.aged = undefined;
    this.#byAge.discard();
  }

  #dropIdleLines(): void {
    for (const line of this.#lines.values()) {
      if (line.count > 0) continue;
      this.#forgetAge(line);
      this.#lines.delete(line.type);
    }
    this.#manyLines = Math.max(MANY_LINES, this.#lines.size * 2);
  }
}
