import type { Engine } from "./core/engine.js";
import type { ObserverRelay } from "./core/observer-relay.js";
import type { Tracer } from "./model/log/tracer.js";

/** What a task queue is made of, for a server that is mounted on it. */
export interface QueueParts {
  readonly engine: Engine;
  /** Returns the node id in job ids, or undefined while none is leased from Redis yet. */
  readonly nodeId: () => number | undefined;
  /** How long a lease lasts unless it is extended, ms. */
  readonly leaseMs: number;
  /** The job types there are handlers for. */
  readonly types: readonly string[];
  /** Traces its jobs. */
  readonly tracer: Tracer;
  /** Hands on what happens to jobs. */
  readonly relay: ObserverRelay;
  /** Calls this when the store becomes reachable or unreachable. */
  onAvailable(listener: (isAvailable: boolean) => void): void;
}

const parts = new WeakMap<object, QueueParts>();

/** Remembers what a task queue is made of, for as long as there is that queue. */
export function rememberParts(queue: object, own: QueueParts): void {
  parts.set(queue, own);
}

/** What a task queue is made of; undefined: it was not made by this copy of the package. */
export function partsOf(queue: object): QueueParts | undefined {
  return parts.get(queue);
}
