import { toProgress } from "../../model/handler/handler.js";
import type { Progress } from "../../model/job/job.js";
import type { FromRun } from "../messages.js";

/** Shortest time between two reports that are sent, ms: as often as the server writes them. */
const INTERVAL_MS = 100;

/**
 * Sends progress reports of a run to the server: the first at once, then ten a second at most, always the last one. A report of a
 * handler that blocks its event loop is sent too: no timer is needed while reports come.
 */
export class ProgressSender {
  readonly #post: (message: FromRun) => void;
  readonly #now: () => number;
  #sentAt = Number.NEGATIVE_INFINITY;
  #kept: Progress | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(post: (message: FromRun) => void, now: () => number) {
    this.#post = post;
    this.#now = now;
  }

  report(percent: number, message?: string): void {
    this.#kept = toProgress(percent, message);
    const left = this.#sentAt + INTERVAL_MS - this.#now();
    if (left <= 0) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), left);
  }

  /** Sends the report that is kept, if there is one. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#kept === undefined) return;
    this.#post({ kind: "progress", progress: this.#kept });
    this.#kept = undefined;
    this.#sentAt = this.#now();
  }
}
