import type { QueuePatterns } from "../../model/queue/queue-patterns.js";
import type { Pair } from "../stores/known-queue.js";
import type { QueueTurns } from "./queue-turns.js";

/** One lease call on a queue, from its begin to its end. */
export interface WorkCall {
  readonly queue: string;
  readonly begunAt: number;
  readonly pairs: readonly Pair[];
}

/** How a lease call ended. */
export interface WorkResult {
  /** Jobs it got; undefined: it failed. */
  readonly got: number | undefined;
  /** Whether the queue has no more for now. */
  readonly isEmptied: boolean;
}

/** Those that take the same types from the same queues. */
export interface Lane {
  /** The queue to ask next; undefined when none may have jobs that nobody asks for yet. `woken` tells of the next. */
  next(): string | undefined;
  /** Whether some queue may have jobs, even if they are being asked for. */
  readonly hasWork: boolean;
  begin(queue: string): WorkCall;
  end(call: WorkCall, result: WorkResult): void;
  /** A call is late: its queue is left aside until it ends. */
  late(call: WorkCall): void;
  /** Forgets the lane. */
  close(): void;
}

/** What a lane needs of `ReadyWork`. */
export interface LaneWork {
  mayHave(queue: string, types: readonly string[]): boolean;
  isFree(queue: string, types: readonly string[]): boolean;
  block(lane: WorkLane): void;
  begin(queue: string, types: readonly string[]): WorkCall;
  end(call: WorkCall, types: readonly string[], result: WorkResult): void;
  late(call: WorkCall): void;
}

/** A lane with the turns of its queues. */
export class WorkLane implements Lane {
  closed = () => {};

  constructor(
    readonly work: LaneWork,
    readonly types: readonly string[],
    readonly woken: () => void,
    readonly turns: QueueTurns,
    readonly within?: QueuePatterns | undefined,
  ) {}

  /** Whether it may take from a queue that it was not named for. */
  takesFrom(queue: string): boolean {
    return this.within === undefined || this.within.has(queue);
  }

  get hasWork(): boolean {
    return this.#head(() => true) !== undefined;
  }

  next(): string | undefined {
    const queue = this.#head((name) => this.work.isFree(name, this.types));
    if (queue === undefined && this.turns.size > 0) this.work.block(this);
    return queue;
  }

  begin(queue: string): WorkCall {
    return this.work.begin(queue, this.types);
  }

  end(call: WorkCall, result: WorkResult): void {
    if (result.got !== undefined && result.got > 0) this.turns.served(call.queue, result.got);
    this.work.end(call, this.types, result);
  }

  late(call: WorkCall): void {
    this.work.late(call);
  }

  close(): void {
    this.closed();
  }

  /** The first queue that may have jobs and is open; takes those out that have none any more. */
  #head(isOpen: (name: string) => boolean): string | undefined {
    for (;;) {
      let stale: string | undefined;
      const queue = this.turns.next((name) => {
        if (this.work.mayHave(name, this.types)) return isOpen(name);
        stale = name;
        return true;
      });
      if (queue === undefined || stale === undefined) return queue;
      this.turns.remove(stale);
    }
  }
}
