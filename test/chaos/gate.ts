/** Hands out the numbers of jobs to producers, no more than are let through, and knows how many were accepted. */
export interface Gate {
  /** Lets so many more through. */
  open(count: number): void;
  /** Up to so many numbers, waiting until some are let through; none once all were handed out. */
  take(max: number): Promise<readonly number[]>;
  /** So many were accepted by a server. */
  accepted(count: number): void;
  /** Resolves once so many were accepted in all. */
  untilAccepted(total: number): Promise<void>;
}

/** A closed gate for this many jobs. */
export function createGate(jobs: number): Gate {
  let [opened, taken, acceptedCount] = [0, 0, 0];
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  async function until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => waiting.add(resolve));
  }
  return {
    open(count) {
      opened = Math.min(opened + count, jobs);
      wake();
    },
    async take(max) {
      await until(() => opened > taken || taken === jobs);
      const count = Math.min(max, opened - taken);
      const numbers = Array.from({ length: count }, (_, index) => taken + index);
      taken += count;
      if (taken === jobs) wake();
      return numbers;
    },
    accepted(count) {
      acceptedCount += count;
      wake();
    },
    untilAccepted: (total) => until(() => acceptedCount >= total),
  };
}
