import type { BackendListener } from "../../core/backend.js";
import type { Change } from "../../core/port/changes.js";
import type { ChangeLog } from "./change-log.js";
import type { QueueState } from "./queue-state.js";

/** What the listener is to be told once the operation under way has ended. */
export class Notices {
  #changes: Change[] = [];
  #readyQueues: QueueState[] = [];
  #dueInMs = Number.POSITIVE_INFINITY;
  #queue: string | undefined;
  #hasRated = false;

  /** A change was appended to the log. */
  changed(change: Change): void {
    this.#changes.push(change);
  }

  /** Jobs of this type may be ready; of all types when none is named. */
  ready(queue: QueueState, type?: string): void {
    if (queue.settings.rateLimit !== null) this.#hasRated = true;
    if (queue.marked === undefined) this.#readyQueues.push(queue);
    if (type === undefined || queue.marked === "all") queue.marked = "all";
    else queue.marked = (queue.marked ?? new Set()).add(type);
  }

  /** Whether jobs may be ready of a queue that has a rate. */
  get hasRated(): boolean {
    return this.#hasRated;
  }

  /** Does not tell that jobs of these queues are ready. */
  leaveOut(isHeld: (queue: QueueState) => boolean): void {
    this.#hasRated = false;
    this.#readyQueues = this.#readyQueues.filter((queue) => {
      if (!isHeld(queue)) return true;
      queue.marked = undefined;
      return false;
    });
  }

  /** A tick has work to do `inMs` from now. */
  due(inMs: number): void {
    if (inMs < this.#dueInMs) this.#dueInMs = inMs;
  }

  /** A queue was created, changed or deleted. */
  queue(name: string): void {
    this.#queue = name;
  }

  /** Tells all of that, and begins anew. */
  tell(listener: BackendListener | undefined, log: ChangeLog): void {
    if (this.#queue !== undefined) {
      const name = this.#queue;
      this.#queue = undefined;
      listener?.queues(name);
    }
    if (this.#changes.length > 0) {
      const changes = this.#changes;
      this.#changes = [];
      const batch = log.batch(changes);
      listener?.changes(batch);
    }
    if (this.#dueInMs !== Number.POSITIVE_INFINITY) {
      const inMs = this.#dueInMs;
      this.#dueInMs = Number.POSITIVE_INFINITY;
      listener?.due(inMs);
    }
    if (this.#readyQueues.length > 0) {
      const queues = this.#readyQueues;
      this.#readyQueues = [];
      for (const queue of queues) {
        const { name, marked } = queue;
        queue.marked = undefined;
        listener?.ready(name, marked === undefined || marked === "all" ? queue.readyTypes : [...marked]);
      }
    }
  }
}
