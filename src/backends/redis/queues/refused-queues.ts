import type { Clock } from "../../../core/clock.js";
import { TaskQueueError, upgradeRequired } from "../../../model/common/errors.js";
import type { Logger } from "../../../model/log/logger.js";
import { UPGRADE_REQUIRED } from "../scripts/parts/prelude.js";

/** How long a queue is left alone, ms. */
const ALONE_MS = 30_000;

/**
 * The queues that need a feature which this server does not know, as it is too old. Its workers and sweeps leave them
 * alone, and look again after a while; what a caller asks for is always sent, and refused by the script.
 */
export class RefusedQueues {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By queue: until when it is left alone, ms on the monotonic clock. */
  readonly #until = new Map<string, number>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Returns what an error of a script means. Logs a queue that is refused once, not each time. */
  translate(queue: string, error: unknown): unknown {
    const { message = "" } = error as { message?: string };
    if (!message.startsWith(UPGRADE_REQUIRED)) return error;
    const refusal = upgradeRequired(queue, message.slice(UPGRADE_REQUIRED.length).split(" ")[0] ?? "");
    if (!this.#until.has(queue)) this.#logger.warn({ queue }, `${refusal.message}; it is left alone`);
    this.#until.set(queue, this.#clock.monotonic() + ALONE_MS);
    return refusal;
  }

  /** Ms that workers and sweeps are to leave the queue alone; 0 when they may touch it. */
  msLeft(queue: string): number {
    const until = this.#until.get(queue);
    return until === undefined ? 0 : Math.max(0, until - this.#clock.monotonic());
  }

  /** The queue was not refused, or is gone. */
  forget(queue: string): void {
    this.#until.delete(queue);
  }
}

/** Whether an error says that this server is too old for a queue. */
export function isRefusal(error: unknown): boolean {
  return error instanceof TaskQueueError && error.reason === "UPGRADE_REQUIRED";
}

/** For `catch`: lets a queue that this server is too old for count as none. */
export function skipRefusal(error: unknown): undefined {
  if (!isRefusal(error)) throw error;
}
