import type { Queue, QueueSettingsRequest } from "../model/queue/queue.js";
import type { CallOptions } from "./call-options.js";

/** Settings of a watch of queues. */
export interface QueuesWatch extends CallOptions {
  /** Default: all queues, those created later too. */
  readonly names?: readonly string[] | undefined;
  /** Least time between two events, ms. */
  readonly minIntervalMs?: number | undefined;
}

/** Creates, reads, changes, pauses, empties, deletes and watches queues. */
export interface Queues {
  /** Creates a queue; settings that are not given get their defaults. FIELD_INVALID, QUEUE_EXISTS. */
  create(name: string, settings?: QueueSettingsRequest, options?: CallOptions): Promise<Queue>;
  /** Resolves to a queue with its statistics. QUEUE_NOT_FOUND. */
  get(name: string, options?: CallOptions): Promise<Queue>;
  /** Resolves to all queues, ordered by name. */
  list(options?: CallOptions): Promise<readonly Queue[]>;
  /**
   * Changes the given settings only; null puts one back to the server's default. FIELD_INVALID, QUEUE_NOT_FOUND; QUEUE_NOT_EMPTY for a new
   * ordering while jobs wait.
   */
  update(name: string, settings: QueueSettingsRequest, options?: CallOptions): Promise<Queue>;
  /** Deletes a queue, with `force` also its jobs. QUEUE_NOT_FOUND, QUEUE_NOT_EMPTY; FIELD_INVALID for `default`. */
  delete(name: string, options?: CallOptions & { readonly force?: boolean | undefined }): Promise<void>;
  /** Lets no more jobs of the queue be leased; those that run go on. QUEUE_NOT_FOUND. */
  pause(name: string, options?: CallOptions): Promise<Queue>;
  /** Ends a pause. QUEUE_NOT_FOUND. */
  resume(name: string, options?: CallOptions): Promise<Queue>;
  /** Deletes every waiting job of the queue. Resolves to how many. QUEUE_NOT_FOUND. */
  purge(name: string, options?: CallOptions): Promise<number>;
  /** Yields the queues now, and again after changes, at most once every `minIntervalMs`. Endless. */
  watch(options?: QueuesWatch): AsyncIterable<readonly Queue[]>;
}
