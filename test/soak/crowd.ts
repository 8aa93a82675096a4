import { setTimeout as sleep } from "node:timers/promises";
import { TaskQueueError } from "../../src/model/common/errors.js";
import type { Random } from "../chaos/random.js";

/** Everybody who uses the server at the same time. */
export interface Crowd {
  readonly url: string;
  readonly token: string;
  readonly random: Random;
  /** Aborted when all of them are to leave. */
  readonly signal: AbortSignal;
  /** What was done so far, by name: how often, and how often it was refused or failed. */
  readonly done: Map<string, { times: number; failed: number; last: string }>;
  /** Something that must never happen. */
  violation(text: string): void;
}

/** What one of them does, again and again; `pauseMs`: about how long it rests in between. */
export interface Habit {
  readonly name: string;
  readonly pauseMs: number;
  readonly act: () => Promise<unknown>;
}

/** Lives by a habit until the end. What is refused is counted: attacks make a server refuse much. */
export async function live({ random, signal, done, violation }: Crowd, { name, pauseMs, act }: Habit): Promise<void> {
  const count = done.get(name) ?? { times: 0, failed: 0, last: "" };
  done.set(name, count);
  const own = random.fork();
  while (!signal.aborted) {
    try {
      await act();
      count.times++;
    } catch (error) {
      if (signal.aborted) return;
      count.times++;
      count.failed++;
      count.last = String(error);
      if (error instanceof TaskQueueError && error.code === "INTERNAL") violation(`${name}: ${error.message}`);
    }
    await sleep(own.between(0, 2 * pauseMs), undefined, { signal }).catch(() => {});
  }
}
