import { LIMITS } from "../../../model/common/limits.js";
import { compareReady } from "../../../model/queue/order.js";
import type { QueueSettings } from "../../../model/queue/queue.js";
import type { JobRecord, RareFields } from "../records/job-record.js";
import { compareTurns, type KeyedLine, KeyedLines } from "./keyed-lines.js";
import { Keys } from "./keys.js";
import { LineAges } from "./line-ages.js";
import { TypeLine } from "./type-line.js";

/** Empty lines are dropped when there are this many lines, and again each time their number has doubled. */
const MANY_LINES = 256;

/** What the settings of a queue say of its lines. */
export type LineRules = Pick<QueueSettings, "ordering" | "maxConcurrencyPerKey">;

/** The first job of a type, and the line that it stands in. */
interface Head<Queue> {
  readonly record: JobRecord<Queue>;
  readonly type: TypeLine<Queue>;
  readonly keyed: KeyedLine<Queue> | undefined;
}

/**
 * The jobs of a queue whose time has come, in lines by type and key. A key that runs as many jobs as it may is held back: its lines
 * are where no lease looks, and come back in the step in which one of its jobs ends.
 *
 * Figures over all types cost no more for many types than for one: the lines are kept by their oldest job, and the first types
 * are sorted anew only when one of them has come or gone.
 */
export class ReadyLines<Queue> {
  readonly #types = new Map<string, TypeLine<Queue>>();
  readonly #keys = new Keys<Queue>();
  readonly #ages = new LineAges<Queue>();
  #firstTypes: readonly string[] | undefined;
  #count = 0;
  #manyLines = MANY_LINES;

  /** Number of jobs, with those that are held back. */
  get count(): number {
    return this.#count;
  }

  /** Number of jobs that are held back as their keys run as many as they may. */
  get held(): number {
    return this.#keys.held;
  }

  /** Whether `review` has something to do that nobody asked for. */
  get isUnfit(): boolean {
    return this.#keys.isUnfit;
  }

  /** Number of jobs of a type that may run now. */
  countOf(type: string): number {
    return this.#types.get(type)?.ready ?? 0;
  }

  /** Whether a job that stands in line is held back. */
  isHeld({ key }: JobRecord<Queue>): boolean {
    return key !== undefined && this.#keys.find(key)?.isFull === true;
  }

  /** The types that have jobs that may run now; undefined when there are many lines. */
  get types(): readonly string[] | undefined {
    if (this.#types.size > MANY_LINES) return undefined;
    return [...this.#types.values()].filter(({ ready }) => ready > 0).map(({ type }) => type);
  }

  /** The first types that have jobs in line, in order: `LIMITS.readyTypes` of them. */
  get firstTypes(): readonly string[] {
    if (this.#firstTypes !== undefined) return this.#firstTypes;
    let types: string[] = [];
    const sort = () => types.sort().slice(0, LIMITS.readyTypes);
    for (const { all, type } of this.#types.values()) {
      // Sorted now and then: there may be very many, and only the first are wanted.
      if (all > 0 && types.push(type) === 500) types = sort();
    }
    this.#firstTypes = sort();
    return this.#firstTypes;
  }

  /** The earliest runAfter of a job in line, held back or not; infinity when there is none. */
  oldest(): number {
    return this.#ages.oldest();
  }

  /** The line of a type, made if there is none. */
  line(type: string): TypeLine<Queue> {
    let line = this.#types.get(type);
    if (line === undefined) {
      if (this.#types.size >= this.#manyLines) this.#dropIdleLines();
      line = new TypeLine<Queue>(type);
      this.#types.set(type, line);
    }
    return line;
  }

  /** The fields for a job that has this key and nothing else that is rare. */
  rareOf(key: string): RareFields {
    return this.#keys.rareOf(key);
  }

  /** Puts a job in line. Returns whether it may run now: it is not held back. */
  put(record: JobRecord<Queue>, rules: LineRules): boolean {
    const { ordering } = rules;
    const type = this.line(record.type);
    this.#count++;
    if (type.all++ === 0) this.#typeCame(type.type);
    if (!isKeyed(record, rules)) {
      type.push(record, ordering);
      this.#ages.came(type, record.runAfter);
      return true;
    }
    if (type.keyed?.ordering !== ordering) type.keyed = new KeyedLines(ordering);
    const key = this.#keys.of(record);
    const line = type.keyed.lineOf(type.type, key);
    if (line.count > 0) this.#keys.fit(line);
    line.push(record, ordering);
    this.#ages.came(line, record.runAfter);
    if (line.count === 1) {
      line.head = record;
      this.#keys.lineCame(line);
      return !key.isFull;
    }
    if (line.isShown) type.keyed.ready++;
    else this.#keys.held++;
    if (compareReady(ordering, record, line.head as JobRecord<Queue>) < 0) this.#headChanged(line);
    return !key.isFull;
  }

  /** Removes a job that stood in line, and is no longer waiting. */
  discard(record: JobRecord<Queue>, rules: LineRules): void {
    const type = this.#types.get(record.type);
    if (type === undefined) return;
    const line = isKeyed(record, rules) ? type.keyed?.byKey.get(record.key ?? "") : type;
    if (line === undefined) return;
    line.discard(record, rules.ordering);
    if (line !== type) this.#leftKeyed(line as KeyedLine<Queue>, 1);
    this.#left(type, 1);
  }

  /** Removes the first job of these types, which runs from now on, and returns it. */
  take(types: readonly string[], rules: LineRules): JobRecord<Queue> | undefined {
    if (this.#count === this.#keys.held) return undefined;
    const { ordering, maxConcurrencyPerKey } = rules;
    let best: Head<Queue> | undefined;
    for (const name of types) {
      const type = this.#types.get(name);
      if (type === undefined || type.all === 0) continue;
      const plain = type.peek();
      if (plain !== undefined && (best === undefined || compareReady(ordering, plain, best.record) < 0)) {
        best = { record: plain, type, keyed: undefined };
      }
      if (type.keyed === undefined) continue;
      const keyed = this.#firstOf(type.keyed, maxConcurrencyPerKey);
      if (keyed === undefined) continue;
      const head = { record: keyed.head as JobRecord<Queue>, type, keyed };
      if (best === undefined || compareHeads(ordering, head, best) < 0) best = head;
    }
    if (best === undefined) return undefined;
    const { record, type, keyed } = best;
    if (keyed === undefined) type.pop(record, ordering);
    else {
      keyed.pop(record, ordering);
      const { key } = keyed;
      if (ordering === "FAIR") this.#keys.countTurn(key);
      if (record.key !== undefined) this.#keys.began(key);
      this.#leftKeyed(keyed, 1);
      this.#keys.obey(key, maxConcurrencyPerKey);
    }
    this.#left(type, 1);
    return record;
  }

  /** Removes up to `limit` jobs and returns them. */
  takeAny(limit: number): JobRecord<Queue>[] {
    const records: JobRecord<Queue>[] = [];
    for (const type of this.#types.values()) {
      if (records.length >= limit) break;
      const before = records.length;
      for (const record of type.popAny(limit - records.length)) records.push(record);
      for (const line of type.keyed?.byKey.values() ?? []) {
        if (records.length >= limit) break;
        const popped = line.popAny(limit - records.length);
        for (const record of popped) records.push(record);
        this.#leftKeyed(line, popped.length);
      }
      if (records.length > before) this.#left(type, records.length - before);
    }
    return records;
  }

  /** A job runs that was in no line. */
  began(record: JobRecord<Queue>, { maxConcurrencyPerKey }: LineRules): void {
    if (record.key === undefined) return;
    const key = this.#keys.of(record);
    this.#keys.began(key);
    this.#keys.obey(key, maxConcurrencyPerKey);
  }

  /** A job runs no more. `back`: called with each type of which jobs are held back no longer. */
  ended({ key: name }: JobRecord<Queue>, { maxConcurrencyPerKey }: LineRules, back: (type: string) => void): void {
    const key = name === undefined ? undefined : this.#keys.find(name);
    // When the queue was deleted, its keys are forgotten.
    if (key === undefined || key.running === 0) return;
    this.#keys.ended(key, maxConcurrencyPerKey, back);
  }

  /** A job that was handed out came to nobody, and is about to end: the turn of its key is given back. */
  giveBack({ key: name = "" }: JobRecord<Queue>, { ordering }: LineRules): void {
    const key = ordering === "FAIR" ? this.#keys.find(name) : undefined;
    if (key !== undefined) this.#keys.giveBack(key);
  }

  /** The limit of keys has changed; `review` sees to those that it concerns. */
  reviewLater(): void {
    this.#keys.reviewLater();
  }

  /** Looks at up to `max` of these keys, and lines that come back late, and returns at how many. `back`: as in `ended`. */
  review({ maxConcurrencyPerKey }: LineRules, max: number, back: (type: string) => void): number {
    return this.#keys.review(maxConcurrencyPerKey, max, back);
  }

  /** The line whose turn it is, of a key that may run a job. */
  #firstOf({ heap }: KeyedLines<Queue>, limit: number): KeyedLine<Queue> | undefined {
    for (let first = heap.peek(); first !== undefined; first = heap.peek()) {
      const { key } = first;
      // The limit may be a new one, that `review` has not come to.
      this.#keys.obey(key, limit);
      if (key.isFull) {
        this.#keys.fit(first);
        continue;
      }
      if (first.turn === key.turn) return first;
      // The key was given jobs of other types.
      first.turn = key.turn;
      heap.moved(first);
    }
    return undefined;
  }

  /** Jobs have left the line of a key. */
  #leftKeyed(line: KeyedLine<Queue>, jobs: number): void {
    const { key, of } = line;
    if (line.isShown) of.ready -= jobs;
    else this.#keys.held -= jobs;
    if (line.count > 0) {
      this.#headChanged(line);
      return;
    }
    this.#ages.forget(line);
    of.drop(line);
    this.#keys.settle(key);
  }

  /** The first job of a line may be another. */
  #headChanged(line: KeyedLine<Queue>): void {
    line.head = line.peek();
    line.turn = line.key.turn;
    if (line.isShown) line.of.heap.moved(line);
    this.#ages.left(line);
  }

  #left(type: TypeLine<Queue>, jobs: number): void {
    this.#count -= jobs;
    type.all -= jobs;
    const last = this.#firstTypes?.at(-1);
    if (type.all === 0 && last !== undefined && type.type <= last) this.#firstTypes = undefined;
  }

  #typeCame(type: string): void {
    const first = this.#firstTypes;
    if (first === undefined) return;
    if (first.length < LIMITS.readyTypes || type < (first.at(-1) as string)) this.#firstTypes = undefined;
  }

  #dropIdleLines(): void {
    for (const line of this.#types.values()) {
      if (line.all > 0) continue;
      this.#ages.forget(line);
      this.#types.delete(line.type);
    }
    this.#manyLines = Math.max(MANY_LINES, this.#types.size * 2);
  }
}

/** Whether a job stands in the line of its key. */
function isKeyed({ key }: JobRecord, { ordering }: LineRules): boolean {
  return key !== undefined || ordering === "FAIR";
}

/** Negative if `a` runs first. Under FAIR both stand in lines of keys. */
function compareHeads<Queue>(ordering: LineRules["ordering"], a: Head<Queue>, b: Head<Queue>): number {
  if (ordering === "FAIR" && a.keyed !== undefined && b.keyed !== undefined && a.keyed.key !== b.keyed.key) {
    return compareTurns(a.keyed, b.keyed);
  }
  return compareReady(ordering, a.record, b.record);
}
