import type { Clock } from "../../../core/clock.js";
import { backendUnavailable } from "../../../model/common/errors.js";

/** Longest wait, ms: like any call, readers are to get an answer soon. */
const WAIT_MS = 1700;

/** What is told when the gate is closed and opened. */
export interface GateListener {
  readonly closed: () => void;
  readonly opened: () => void;
}

/** Lets readers wait while something is under way that they must not see half done. */
export class Gate {
  readonly #clock: Clock;
  readonly #listener: GateListener;
  readonly #waiting = new Set<() => void>();
  #isClosed = false;

  constructor(clock: Clock, listener: GateListener) {
    this.#clock = clock;
    this.#listener = listener;
  }

  /** Closes it, if it is not closed already: what was begun before has failed, and begins anew. */
  begin(): void {
    if (this.#isClosed) return;
    this.#listener.closed();
    this.#isClosed = true;
  }

  /** Opens it, if it is closed. */
  end(): void {
    if (!this.#isClosed) return;
    this.#isClosed = false;
    this.#listener.opened();
    for (const resolve of [...this.#waiting]) resolve();
  }

  /** Resolves when it is open. BACKEND_UNAVAILABLE after a while. */
  async wait(): Promise<void> {
    if (!this.#isClosed) return;
    await new Promise<void>((resolve, reject) => {
      const opened = () => {
        timer.cancel();
        this.#waiting.delete(opened);
        resolve();
      };
      const timer = this.#clock.setTimer(WAIT_MS, () => {
        this.#waiting.delete(opened);
        reject(backendUnavailable("the logs are not read up yet"));
      });
      this.#waiting.add(opened);
    });
  }
}
