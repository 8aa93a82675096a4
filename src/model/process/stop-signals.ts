/** Those that ask a program to end: service managers send the first, Ctrl-C is the second. */
export type StopSignal = "SIGTERM" | "SIGINT";

const SIGNALS: readonly StopSignal[] = ["SIGTERM", "SIGINT"];

/** How soon, ms, the same signal is taken for one that was handed on. npm takes a few. */
const ECHO_MS = 500;

/** What tells of signals: `process`. */
export interface SignalSource {
  on(name: StopSignal, listener: (signal: StopSignal) => void): unknown;
  off(name: StopSignal, listener: (signal: StopSignal) => void): unknown;
}

/** What is done at signals. */
export interface StopDuties {
  /** The first signal: to end in order. */
  stop(signal: StopSignal): void;
  /** Another one: to end at once. */
  again(signal: StopSignal): void;
}

/**
 * Calls `stop` at the first signal, and `again` at those that follow, until what it returns is called. A terminal sends Ctrl-C to
 * all its processes, and npm hands it on to its child besides: the same signal within 500 ms of the first is that one again, and
 * does nothing. `now` is in ms, and never goes back.
 */
export function onStopSignals(source: SignalSource, now: () => number, duties: StopDuties): () => void {
  let first: { readonly signal: StopSignal; readonly at: number } | undefined;
  const onSignal = (signal: StopSignal): void => {
    if (first === undefined) {
      first = { signal, at: now() };
      duties.stop(signal);
    } else if (signal !== first.signal || now() - first.at >= ECHO_MS) {
      duties.again(signal);
    }
  };
  for (const name of SIGNALS) source.on(name, onSignal);
  return () => {
    for (const name of SIGNALS) source.off(name, onSignal);
  };
}
