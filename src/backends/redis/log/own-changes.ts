import type { Clock, Timer } from "../../../core/clock.js";

/** How long the notice of an answered call may take before Redis is asked, ms: when a reader waits for it, and else. */
const PATIENCE_MS = 100;
const CHECK_MS = 1000;

/** What knows the logs. */
export interface HeardLogs {
  /** The position up to which the log of a queue was delivered. */
  readonly heard: (queue: string) => number;
  /** Looks in Redis for the logs of these queues, and follows them. */
  readonly find: (queues: readonly string[]) => Promise<void>;
}

interface Waiting {
  readonly queue: string;
  readonly position: number;
  readonly resolve: () => void;
}

/**
 * Readers must see the changes of this server's own calls, whose answers may come before their notices: it knows which
 * those are, and waits for them. A notice that does not come at all was lost: then Redis is asked.
 */
export class OwnChanges {
  readonly #clock: Clock;
  readonly #logs: HeardLogs;
  /** By queue: the position of the log after the last call, since the last check. */
  #made = new Map<string, number>();
  /** The same, of the time between the last two checks. */
  #before = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();
  #check: Timer | undefined;
  #isStopped = false;

  constructor(clock: Clock, logs: HeardLogs) {
    this.#clock = clock;
    this.#logs = logs;
  }

  /** A call was answered: the log is at least there. */
  made(queue: string, position: number): void {
    if (position > (this.#made.get(queue) ?? 0)) this.#made.set(queue, position);
    if (this.#check === undefined) this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#check?.cancel();
  }

  #arm(): void {
    if (this.#isStopped) return;
    this.#check = this.#clock.setTimer(CHECK_MS, () => {
      this.#check = undefined;
      const lost = this.#late(this.#before);
      this.#before = this.#made;
      this.#made = new Map();
      if (this.#before.size > 0) this.#arm();
      if (lost.length > 0) this.#find(lost);
    });
  }

  /** Has Redis asked for what was not heard. What cannot be found now is looked for again: there may be no other notice in its queue. */
  #find(lost: readonly [string, number][]): void {
    this.#logs.find(lost.map(([queue]) => queue)).catch(() => {
      for (const [queue, position] of lost) this.made(queue, position);
    });
  }

  #late(made: Map<string, number>): [string, number][] {
    for (const [queue, position] of made) if (this.#logs.heard(queue) >= position) made.delete(queue);
    return [...made];
  }

  /** A log was replaced, or is shorter than it was. */
  forget(queue: string): void {
    this.#made.delete(queue);
    this.#before.delete(queue);
  }

  /** A log was delivered up to there. */
  heard(queue: string, position: number): void {
    if (this.#waiting.size === 0) return;
    for (const waiting of this.#waiting) {
      if (waiting.queue === queue && waiting.position <= position) waiting.resolve();
    }
  }

  /** Resolves when everything that was made before was heard. Rejects when Redis does not tell. */
  async settled(): Promise<void> {
    const late = [...this.#late(this.#before), ...this.#late(this.#made)];
    if (late.length === 0) return;
    const queues = (await Promise.all(late.map(([queue, position]) => this.#wait(queue, position)))).filter(
      (queue) => queue !== undefined,
    );
    if (queues.length === 0) return;
    await this.#logs.find(queues);
    // What is not there now was lost.
    for (const queue of queues) this.forget(queue);
  }

  /** Resolves to undefined when it was heard, to the queue when it was not. */
  #wait(queue: string, position: number): Promise<string | undefined> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const end = (result: string | undefined) => {
        timer?.cancel();
        this.#waiting.delete(waiting);
        resolve(result);
      };
      const waiting = { queue, position, resolve: () => end(undefined) };
      this.#waiting.add(waiting);
      timer = this.#clock.setTimer(PATIENCE_MS, () => end(queue));
    });
  }
}
