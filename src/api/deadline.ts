import { TaskQueueError } from "../model/errors.js";
import { setLongTimer, type Timer } from "../model/long-timer.js";
import type { CallOptions } from "./call-options.js";

/** DEADLINE_EXCEEDED: a call took longer than its `timeoutMs`. What it asked for may happen all the same. */
export function deadlineExceeded(timeoutMs: number): TaskQueueError {
  return new TaskQueueError("DEADLINE_EXCEEDED", `the call took longer than ${timeoutMs} ms`);
}

/** The end of a wait, whatever comes of what is waited for. */
export interface WaitEnd {
  /** Rejects when the wait is over: with the reason of the signal, or DEADLINE_EXCEEDED. */
  readonly over: Promise<never>;
  /** Call when nobody waits any more. */
  forget(): void;
}

/** Begins a wait that ends by the options of its call. `setTimer`: as `setLongTimer`. */
export function waitEnd(
  { signal, timeoutMs }: Pick<CallOptions, "signal" | "timeoutMs">,
  setTimer: (ms: number, fire: () => void) => Timer = setLongTimer,
): WaitEnd {
  let timer: Timer | undefined;
  let abort = () => {};
  const over = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal?.reason);
    if (timeoutMs !== undefined) timer = setTimer(timeoutMs, () => reject(deadlineExceeded(timeoutMs)));
  });
  // Nobody may be there to hear of it any more.
  over.catch(() => {});
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  return {
    over,
    forget() {
      timer?.cancel();
      signal?.removeEventListener("abort", abort);
    },
  };
}

/** Waits for something as long as the options of its call allow. It goes on after that. */
export async function waitWithin<T>(
  result: Promise<T>,
  options: Pick<CallOptions, "signal" | "timeoutMs">,
  setTimer?: (ms: number, fire: () => void) => Timer,
): Promise<T> {
  const end = waitEnd(options, setTimer);
  try {
    return await Promise.race([result, end.over]);
  } finally {
    end.forget();
  }
}
