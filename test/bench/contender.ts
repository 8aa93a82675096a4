/** A job queue on Redis that gets the loads of the `redis` row: GoTaskQ or BullMQ. */
export interface Contender {
  /** Creates one job. Resolves when Redis has it. */
  create(): Promise<unknown>;
  /** Creates `count` jobs in one call. */
  createBatch(count: number): Promise<unknown>;
  /** Begins to run jobs. Connections are open and idle before that, so that only work is measured. */
  work(): Promise<void>;
  /** Resolves when `count` jobs are recorded as done, as far as this process knows. */
  done(count: number): Promise<void>;
  /** What Redis holds. */
  counts(): Promise<{ readonly waiting: number; readonly done: number }>;
  close(): Promise<void>;
}

/** Connects a contender to an empty Redis. `slots`: jobs it runs at a time; 0: it runs none. */
export type OpenContender = (slots: number) => Promise<Contender>;

/** Creates a counter with a goal, which may be set before or after it is reached. */
export function createCounter(): { add(): void; reached(goal: number): Promise<void> } {
  let count = 0;
  let wanted = Number.POSITIVE_INFINITY;
  let resolve = () => {};
  return {
    add() {
      if (++count === wanted) resolve();
    },
    reached(goal) {
      wanted = goal;
      if (count >= goal) return Promise.resolve();
      return new Promise((done) => {
        resolve = done;
      });
    },
  };
}
