import type { Observer } from "./observer.js";

/** Hands what an observer is told to others as well. */
export interface ObserverRelay {
  /** What is to be told. */
  readonly observer: Observer;
  /** Tells this one, too, from now on, until what it returns is called. */
  add(observer: Observer): () => void;
}

/** Creates a relay that tells `first`. */
export function createObserverRelay(first: Observer): ObserverRelay {
  const all: Observer[] = [first];
  return {
    // Written out, as each job comes by here three times: nothing is allocated.
    observer: {
      enqueued(queue, type, count) {
        for (const each of all) each.enqueued(queue, type, count);
      },
      leased(queue, type, pickupMs, isRedelivery) {
        for (const each of all) each.leased(queue, type, pickupMs, isRedelivery);
      },
      settled(kind, queue, type, status, durationMs, reason) {
        for (const each of all) each.settled(kind, queue, type, status, durationMs, reason);
      },
      leaseLost(queue, type, status) {
        for (const each of all) each.leaseLost(queue, type, status);
      },
      expired(queue, type) {
        for (const each of all) each.expired(queue, type);
      },
      scheduleFired(queue, type, count) {
        for (const each of all) each.scheduleFired(queue, type, count);
      },
      scheduleSkipped(queue, type, reason) {
        for (const each of all) each.scheduleSkipped(queue, type, reason);
      },
      staleWrite(kind) {
        for (const each of all) each.staleWrite(kind);
      },
    },
    add(observer) {
      all.push(observer);
      return () => {
        const at = all.indexOf(observer);
        if (at >= 0) all.splice(at, 1);
      };
    },
  };
}
