import type { QueuePatterns } from "../../model/queue/queue-patterns.js";
import type { Clock, Timer } from "../clock.js";
import { isMarked, type KnownQueue, type Pair, unknownQueue } from "../stores/known-queue.js";
import { type QueuePolicy, QueueTurns } from "./queue-turns.js";
import { type Lane, type LaneWork, type WorkCall, WorkLane, type WorkResult } from "./work-lane.js";

/** Most types of one queue, and most pairs of queue and type, that are known; beyond that a queue may have any type. */
const MAX_TYPES = 1000;
const MAX_PAIRS = 100_000;

/** Most types that a queue that may have any is known not to have. */
const MAX_NONE = 10_000;

/** Most calls at the same time for one queue and type. */
const MAX_CALLS = 8;

/** How long a queue is left aside after a call failed there, ms; and at the most, when calls are late again and again. */
const ASIDE_MS = 250;
const MAX_ASIDE_MS = 5000;

/** A queue, and its weight for the policy. */
export interface WeightedQueue {
  readonly name: string;
  readonly weight: number;
}

/**
 * Knows which queues may have ready jobs of which types, from what the backend tells and from what lease calls found, so
 * that only those are asked, and of those who wait for the same jobs only as many as there may be jobs. What it does not
 * know it takes to be there.
 */
export class ReadyWork implements LaneWork {
  readonly #clock: Clock;
  readonly #policy: QueuePolicy;
  readonly #known = new Map<string, KnownQueue>();
  /** The queues with jobs of a type, and those that may have any. */
  readonly #byType = new Map<string, Set<KnownQueue>>();
  readonly #any = new Set<KnownQueue>();
  /** Lanes by queue, or "" for those that take from all, and by type. */
  readonly #lanes = new Map<string, Map<string, Set<WorkLane>>>();
  /** Lanes that found only jobs that others ask for. */
  readonly #blocked = new Set<WorkLane>();
  #weights: ReadonlyMap<string, number> = new Map();
  #pairs = 0;
  /** Counts marks and calls: tells which came first. */
  #time = 1;
  readonly #timers = new Set<Timer>();
  #isClosed = false;

  constructor(clock: Clock, policy: QueuePolicy) {
    this.#clock = clock;
    this.#policy = policy;
  }

  /** Replaces the list of existing queues. */
  update(queues: readonly WeightedQueue[]): void {
    const before = this.#weights;
    const weights = new Map<string, number>();
    const changed: string[] = [];
    for (const { name, weight } of queues) {
      weights.set(name, weight);
      if (before.has(name) && before.get(name) !== weight) changed.push(name);
    }
    this.#weights = weights;
    for (const name of before.keys()) if (!weights.has(name)) this.#forget(name);
    for (const name of changed) this.#reweigh(name);
  }

  /** Whether a queue was in the last `update`. It may exist all the same: the update can be late. */
  knows(queue: string): boolean {
    return this.#weights.has(queue);
  }

  /** Jobs of these types may be ready in a queue; of any type, when none is named. */
  mark(queue: string, types?: readonly string[]): void {
    const known = this.#knownOf(queue);
    const at = this.#time++;
    // It may have been something that has passed; one that does not answer is not asked for each job.
    if (known.lates === 0) known.isAside = false;
    const isMany = types !== undefined && (known.pairs.size + types.length > MAX_TYPES || this.#pairs > MAX_PAIRS);
    if (types === undefined || isMany) {
      known.anyAt = at;
      known.none.clear();
      this.#any.add(known);
      this.#offer(known, undefined);
      return;
    }
    for (const type of types) {
      this.#pairOf(known, type).markedAt = at;
      known.none.delete(type);
      let queues = this.#byType.get(type);
      if (queues === undefined) {
        queues = new Set();
        this.#byType.set(type, queues);
      }
      queues.add(known);
    }
    this.#offer(known, types);
  }

  /** The backend can be reached again: no queue is left aside any more. */
  reachable(): void {
    for (const known of [...this.#known.values()]) {
      known.lates = 0;
      if (known.isAside) this.#takeBack(known);
    }
  }

  /** Queues that are left aside stay so, also those whose calls fail later. */
  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) timer.cancel();
  }

  /**
   * Opens a lane. `queues`: empty for all, or for those `within`. `woken` is called when there may be a queue to ask.
   */
  lane(queues: ReadonlySet<string>, types: readonly string[], woken: () => void, within?: QueuePatterns): Lane {
    const lane = new WorkLane(this, types, woken, new QueueTurns(this.#policy), within);
    const keys = queues.size === 0 ? [""] : [...queues];
    for (const key of keys) {
      for (const type of types) {
        const byType = this.#lanes.get(key) ?? new Map<string, Set<WorkLane>>();
        this.#lanes.set(key, byType.set(type, (byType.get(type) ?? new Set()).add(lane)));
      }
    }
    lane.closed = () => {
      this.#blocked.delete(lane);
      for (const key of keys) for (const type of types) this.#leave(key, type, lane);
    };
    for (const { name } of this.#workOf(queues, types)) {
      if (lane.takesFrom(name)) lane.turns.offer(name, this.#weights.get(name) ?? 1);
    }
    return lane;
  }

  /** Whether a queue may have jobs of one of these types, and is not left aside. */
  mayHave(queue: string, types: readonly string[]): boolean {
    const known = this.#known.get(queue);
    return known !== undefined && !known.isAside && types.some((type) => isMarked(known, type));
  }

  /** Whether of one of these types there may be more jobs than are being asked for. */
  isFree(queue: string, types: readonly string[]): boolean {
    const known = this.#known.get(queue);
    if (known === undefined) return false;
    return types.some((type) => {
      const pair = known.pairs.get(type);
      const isFree = pair === undefined || pair.calls < Math.max(1, Math.min(MAX_CALLS, pair.streak));
      return isFree && isMarked(known, type);
    });
  }

  /** Tells the lane when calls end: then there may be jobs again that nobody asks for. */
  block(lane: WorkLane): void {
    this.#blocked.add(lane);
  }

  begin(queue: string, types: readonly string[]): WorkCall {
    const known = this.#knownOf(queue);
    const pairs = types.filter((type) => isMarked(known, type)).map((type) => this.#pairOf(known, type));
    for (const pair of pairs) pair.calls++;
    return { queue, begunAt: this.#time++, pairs };
  }

  end(call: WorkCall, types: readonly string[], { got, isEmptied }: WorkResult): void {
    const known = this.#known.get(call.queue);
    const hasNone = isEmptied || got === 0;
    for (const pair of call.pairs) {
      pair.calls--;
      pair.streak = got === undefined || hasNone ? 0 : pair.streak + 1;
    }
    if (known !== undefined) {
      if (got === undefined) this.#fail(known);
      else {
        known.lates = 0;
        if (known.isAside) this.#takeBack(known);
      }
      // What was told since the call began is newer than what it found.
      for (const type of types) {
        if (hasNone) this.#empty(known, type, call.begunAt);
        this.#tidy(known, type);
      }
      if (known.pairs.size === 0 && known.anyAt === 0 && !known.isAside) this.#known.delete(known.name);
    }
    const blocked = [...this.#blocked];
    this.#blocked.clear();
    for (const lane of blocked) lane.woken();
  }

  /** A call is late: its queue is left aside until it ends. */
  late({ queue }: WorkCall): void {
    const known = this.#known.get(queue);
    if (known === undefined) return;
    known.isAside = true;
    known.lates++;
  }

  #fail(known: KnownQueue): void {
    known.isAside = true;
    if (known.retry !== undefined || this.#isClosed) return;
    const timer = this.#clock.setTimer(Math.min(MAX_ASIDE_MS, ASIDE_MS * 2 ** known.lates), () => {
      this.#timers.delete(timer);
      known.retry = undefined;
      if (this.#known.get(known.name) === known && known.isAside) this.#takeBack(known);
    });
    known.retry = timer;
    this.#timers.add(timer);
  }

  /** Ends that a queue is left aside. */
  #takeBack(known: KnownQueue): void {
    known.isAside = false;
    this.#offer(known, known.anyAt > 0 ? undefined : [...known.pairs.keys()]);
  }

  #empty(known: KnownQueue, type: string, before: number): void {
    const pair = known.pairs.get(type);
    if (pair !== undefined && pair.markedAt < before) {
      pair.markedAt = 0;
      const queues = this.#byType.get(type);
      queues?.delete(known);
      if (queues?.size === 0) this.#byType.delete(type);
    }
    if (known.anyAt > 0 && known.anyAt < before && known.none.size < MAX_NONE) known.none.add(type);
  }

  #tidy(known: KnownQueue, type: string): void {
    const pair = known.pairs.get(type);
    if (pair !== undefined && pair.markedAt === 0 && pair.calls === 0 && known.pairs.delete(type)) this.#pairs--;
  }

  #forget(name: string): void {
    const known = this.#known.get(name);
    if (known === undefined) return;
    for (const type of [...known.pairs.keys()]) this.#empty(known, type, Number.POSITIVE_INFINITY);
    this.#pairs -= known.pairs.size;
    this.#any.delete(known);
    this.#known.delete(name);
  }

  /** A queue weighs something else now: it starts anew in all lanes. */
  #reweigh(name: string): void {
    const known = this.#known.get(name);
    if (known === undefined) return;
    for (const key of [name, ""]) {
      for (const lanes of this.#lanes.get(key)?.values() ?? []) for (const lane of lanes) lane.turns.remove(name);
    }
    this.#offer(known, known.anyAt > 0 ? undefined : [...known.pairs.keys()]);
  }

  #knownOf(queue: string): KnownQueue {
    let known = this.#known.get(queue);
    if (known === undefined) {
      known = unknownQueue(queue);
      this.#known.set(queue, known);
    }
    return known;
  }

  #pairOf(known: KnownQueue, type: string): Pair {
    let pair = known.pairs.get(type);
    if (pair === undefined) {
      pair = { markedAt: 0, calls: 0, streak: 0 };
      known.pairs.set(type, pair);
      this.#pairs++;
    }
    return pair;
  }

  /** Offers a queue to the lanes that take these types from it, and wakes them. */
  #offer(known: KnownQueue, types: readonly string[] | undefined): void {
    if (known.isAside) return;
    const weight = this.#weights.get(known.name) ?? 1;
    for (const key of [known.name, ""]) {
      const byType = this.#lanes.get(key);
      if (byType === undefined) continue;
      for (const type of types ?? byType.keys()) {
        for (const lane of byType.get(type) ?? []) {
          if (!lane.takesFrom(known.name)) continue;
          lane.turns.offer(known.name, weight);
          lane.woken();
        }
      }
    }
  }

  *#workOf(queues: ReadonlySet<string>, types: readonly string[]): Generator<KnownQueue> {
    if (queues.size > 0) {
      for (const name of queues) {
        const known = this.#known.get(name);
        if (known !== undefined) yield known;
      }
      return;
    }
    for (const type of types) yield* this.#byType.get(type) ?? [];
    yield* this.#any;
  }

  #leave(key: string, type: string, lane: WorkLane): void {
    const byType = this.#lanes.get(key);
    const lanes = byType?.get(type);
    lanes?.delete(lane);
    if (lanes?.size === 0) byType?.delete(type);
    if (byType?.size === 0) this.#lanes.delete(key);
  }
}
