import { TaskQueueError } from "../model/common/errors.js";
import { forgetAbort, listenToAbort } from "../model/process/abort-listeners.js";
import { setLongTimer, type Timer } from "../model/process/long-timer.js";
import type { CallOptions } from "./call-options.js";

/** DEADLINE_EXCEEDED: a call took longer than its `timeoutMs`. What it asked for may happen all the same. */
export function deadlineExceeded(timeoutMs: number): TaskQueueError {
  return new TaskQueueError("DEADLINE_EXCEEDED", `the call took longer than ${timeoutMs} ms`);
}

/** The end of a wait, whatever comes of what is waited for. */
interface WaitEnd {
  /** Rejects when the wait is over: with the reason of the signal, or DEADLINE_EXCEEDED. */
  readonly over: Promise<never>;
  /** Call when nobody waits any more. */
  forget(): void;
}

/** Begins a wait that ends by the options of its call. `setTimer`: as `setLongTimer`. */
function waitEnd(
  { signal, timeoutMs }: Pick<CallOptions, "signal" | "timeoutMs">,
  setTimer: (ms: number, fire: () => void) => Timer = setLongTimer,
): WaitEnd {
  let timer: Timer | undefined;
  let aborted = () => {};
  const over = new Promise<never>((_resolve, reject) => {
    aborted = () => reject(signal?.reason);
    if (timeoutMs !== undefined) timer = setTimer(timeoutMs, () => reject(deadlineExceeded(timeoutMs)));
  });
  // Nobody may be there to hear of it any more.
  over.catch(() => {});
  const listener = { aborted };
  if (signal?.aborted) aborted();
  else if (signal !== undefined) listenToAbort(signal, listener);
  return {
    over,
    forget() {
      timer?.cancel();
      if (signal !== undefined) forgetAbort(signal, listener);
    },
  };
}

/** What tells several that a wait is over. */
export interface BoundSignal {
  /** Aborted with the reason of the signal of the call, or with DEADLINE_EXCEEDED. */
  readonly signal: AbortSignal;
  /** Call when nobody waits any more: aborts it too. */
  end(): void;
}

/** The end of a wait as a signal. */
export function boundSignal(
  options: Pick<CallOptions, "signal" | "timeoutMs">,
  setTimer?: (ms: number, fire: () => void) => Timer,
): BoundSignal {
  const { over, forget } = waitEnd(options, setTimer);
  const controller = new AbortController();
  over.catch((reason: unknown) => controller.abort(reason));
  return {
    signal: controller.signal,
    end() {
      forget();
      controller.abort();
    },
  };
}

/** Does something that has several parts in the time of one call: `run` gets options whose signal ends each of them then. */
export function withinOne<T>(
  options: CallOptions | undefined,
  run: (options: CallOptions | undefined) => Promise<T>,
  setTimer?: (ms: number, fire: () => void) => Timer,
): Promise<T> {
  // No promise more than it takes: nearly all calls have no time of their own.
  return options?.timeoutMs === undefined ? run(options) : runBounded(options, run, setTimer);
}

async function runBounded<T>(
  options: CallOptions,
  run: (options: CallOptions) => Promise<T>,
  setTimer: ((ms: number, fire: () => void) => Timer) | undefined,
): Promise<T> {
  const { signal, end } = boundSignal(options, setTimer);
  try {
    return await run({ ...options, signal });
  } finally {
    end();
  }
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
