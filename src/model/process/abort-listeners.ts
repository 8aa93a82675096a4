/** What hears that a signal is aborted. */
export interface AbortListener {
  /** Called once, when it is. Must not throw. */
  aborted(): void;
}

/** Who listens to which signal. */
const listeners = new WeakMap<AbortSignal, Set<AbortListener>>();

/**
 * Listens to a signal, which is not aborted yet, until `forgetAbort`. A signal of a program may end many calls at once, and Node warns of
 * a leak from eleven listeners on; so all of ours share one, which is cheaper, too.
 */
export function listenToAbort(signal: AbortSignal, listener: AbortListener): void {
  const known = listeners.get(signal);
  if (known !== undefined) {
    known.add(listener);
    return;
  }
  listeners.set(signal, new Set([listener]));
  signal.addEventListener("abort", tellAll, { once: true });
}

/** Ends that. Does nothing for one that does not listen. */
export function forgetAbort(signal: AbortSignal, listener: AbortListener): void {
  const known = listeners.get(signal);
  if (known?.delete(listener) !== true || known.size > 0) return;
  listeners.delete(signal);
  signal.removeEventListener("abort", tellAll);
}

function tellAll(this: AbortSignal): void {
  const known = listeners.get(this) ?? [];
  listeners.delete(this);
  for (const listener of known) listener.aborted();
}
