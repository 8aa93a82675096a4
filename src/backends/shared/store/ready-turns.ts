import type { Clock, Timer } from "../../../core/clock.js";
import type { Peer } from "./peer.js";

/** How long a new job is left to the servers that were told of it, ms: they may be busy, or gone. */
const LEAVE_MS = 10;

/** From so many jobs on that became ready at once, all servers that wait for such jobs look at once. */
const MANY = 10;

/** Most types of a queue that are told by name, and most pairs of queue and type that are known. */
const MAX_TYPES = 20;
const MAX_PAIRS = 100_000;

/**
 * Tells servers of ready jobs. Of those that looked for jobs of a type and found none, as many are told as there are jobs, each in its
 * turn; all others a moment later, unless somebody found by then that none is left. So a job does not have all servers ask for it.
 */
export class ReadyTurns {
  readonly #clock: Clock;
  readonly #peers: ReadonlySet<Peer>;
  /** By queue and type: who found none, and was not told of any since, the longest first. */
  readonly #waiting = new Map<string, Map<string, Set<Peer>>>();
  #pairs = 0;
  /** By queue: types of which jobs were left to those who were told first. */
  readonly #left = new Map<string, Set<string>>();
  #timer: Timer | undefined;

  /** `peers`: those who are told. */
  constructor(clock: Clock, peers: ReadonlySet<Peer>) {
    this.#clock = clock;
    this.#peers = peers;
  }

  /** Jobs may be ready: of these types, or of any; about `count` of them, 0: nobody knows how many, and it may be one. */
  ready(queue: string, types: readonly string[] | undefined, count: number): void {
    if (types === undefined || types.length > MAX_TYPES || this.#peers.size === 1) {
      for (const peer of this.#peers) peer.ready(queue, types ?? null);
      return;
    }
    for (const type of types) {
      const waiting = this.#waiting.get(queue)?.get(type);
      if (waiting === undefined) {
        // Nobody has asked for such jobs yet.
        this.#waitingFor(queue, type);
        for (const peer of this.#peers) peer.ready(queue, [type]);
        continue;
      }
      let rest = count >= MANY ? waiting.size : Math.max(1, count);
      for (const peer of waiting) {
        if (rest-- === 0) break;
        waiting.delete(peer);
        peer.ready(queue, [type]);
      }
      this.#leave(queue, type);
    }
  }

  /** A server looked for jobs of these types, and none is left. */
  emptied(peer: Peer, queue: string, types: readonly string[]): void {
    const left = this.#left.get(queue);
    for (const type of types) {
      left?.delete(type);
      const waiting = this.#waitingFor(queue, type);
      // Last in line.
      waiting.delete(peer);
      waiting.add(peer);
    }
  }

  /** A queue is gone. */
  forget(queue: string): void {
    this.#pairs -= this.#waiting.get(queue)?.size ?? 0;
    this.#waiting.delete(queue);
    this.#left.delete(queue);
  }

  /** A server is gone. */
  gone(peer: Peer): void {
    for (const types of this.#waiting.values()) for (const waiting of types.values()) waiting.delete(peer);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #waitingFor(queue: string, type: string): Set<Peer> {
    let types = this.#waiting.get(queue);
    if (types === undefined) {
      types = new Map();
      this.#waiting.set(queue, types);
    }
    let waiting = types.get(type);
    if (waiting === undefined) {
      if (this.#pairs >= MAX_PAIRS) return new Set();
      this.#pairs++;
      waiting = new Set();
      types.set(type, waiting);
    }
    return waiting;
  }

  #leave(queue: string, type: string): void {
    const left = this.#left.get(queue);
    if (left === undefined) this.#left.set(queue, new Set([type]));
    else left.add(type);
    this.#timer ??= this.#clock.setTimer(LEAVE_MS, () => this.#tellLeft());
  }

  /** What was left to some is told to all. */
  #tellLeft(): void {
    this.#timer = undefined;
    for (const [queue, types] of this.#left) {
      if (types.size === 0) continue;
      for (const type of types) this.#waiting.get(queue)?.get(type)?.clear();
      for (const peer of this.#peers) peer.ready(queue, [...types]);
    }
    this.#left.clear();
  }
}
