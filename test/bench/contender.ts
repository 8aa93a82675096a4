/** A job queue on Redis under the loads of the Redis row: GoTaskQ, or BullMQ. */
export interface Contender {
  /** Creates one job and waits until Redis has it. */
  create(): Promise<unknown>;
  /** Creates so many jobs in one call. */
  createBatch(count: number): Promise<unknown>;
  /** Begins to run jobs. Connections are open and idle before, so that only work is measured. */
  work(): Promise<void>;
  /** Resolves when so many jobs are recorded as done, as this process learns of it. */
  done(count: number): Promise<void>;
  /** What Redis holds. */
  counts(): Promise<{ readonly waiting: number; readonly done: number }>;
  close(): Promise<void>;
}

/** Connects a contender to an empty Redis. `slots`: jobs it runs at a time; 0: none. */
export type OpenContender = (slots: number) => Promise<Contender>;

/** Counts up to a goal that is set before or after it is reached. */
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
