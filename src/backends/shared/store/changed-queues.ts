import type { Clock, Timer } from "../../../core/clock.js";
import type { QueueFollowers } from "./followers.js";

/** For how long changes of a queue gather before it is told that there were some, ms: who looks at figures needs them no sooner. */
const GATHER_MS = 20;

/** Tells servers that jobs of queues have changed whose figures they watch. */
export class ChangedQueues {
  readonly #clock: Clock;
  readonly #followers: QueueFollowers;
  readonly #queues = new Set<string>();
  #timer: Timer | undefined;

  constructor(clock: Clock, followers: QueueFollowers) {
    this.#clock = clock;
    this.#followers = followers;
  }

  /** A job of this queue has changed. */
  add(queue: string): void {
    if (this.#queues.has(queue) || !this.#followers.isFollowed(queue)) return;
    this.#queues.add(queue);
    this.#timer ??= this.#clock.setTimer(GATHER_MS, () => this.#tell());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #tell(): void {
    this.#timer = undefined;
    const queues = [...this.#queues];
    this.#queues.clear();
    for (const [peer, scope] of this.#followers.scopes) {
      const followed = scope.isAll ? queues : queues.filter((queue) => scope.has(queue));
      if (followed.length > 0) peer.tell([0, "counts", followed]);
    }
  }
}
