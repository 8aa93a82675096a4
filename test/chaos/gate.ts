/** Hands out job numbers to producers, no more than were let through, and counts the jobs that were accepted. */
export interface Gate {
  /** Lets `count` more jobs through. */
  open(count: number): void;
  /** Resolves to up to `max` numbers as soon as some are let through; to none when all have been handed out. */
  take(max: number): Promise<readonly number[]>;
  /** Notes that a server has accepted `count` jobs. */
  accepted(count: number): void;
  /** Resolves when `total` jobs have been accepted in all. */
  untilAccepted(total: number): Promise<void>;
}

/** Creates a closed gate for this many jobs. */
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
