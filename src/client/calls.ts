import type { CallOptions } from "@connectrpc/connect";
import type { TaskQueueError } from "../model/errors.js";
import { isPassing, toTaskQueueError } from "./errors.js";
import { retryWait, wait } from "./wait.js";

/** Longest silence on a stream, ms: the server sends a heartbeat every 15 s, so a longer one is a broken connection. */
const MAX_SILENCE_MS = 40_000;

/** Settings of one call. */
export interface CallSettings {
  /** Ends the call; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** How calls are made; durations in ms. */
export interface CallerOptions {
  /** Sent with every call, as in `{ authorization: "Bearer …" }`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** After which a call that streams nothing fails with DEADLINE_EXCEEDED. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /**
   * How long a call that may be repeated is tried again while the server is away or draining. Default 10,000; 0: not at
   * all. Creates are among them: they carry a request id.
   */
  readonly retryMs?: number | undefined;
  /** Told when a call or a watch found no server and is tried again. */
  readonly onRetry?: ((error: TaskQueueError) => void) | undefined;
}

/** Makes calls, and tries again those that may be. */
export interface Caller {
  /** Whether calls are tried again at all. */
  readonly retries: boolean;
  /** Calls once. */
  once<T>(call: (options: CallOptions) => Promise<T>, settings?: CallSettings): Promise<T>;
  /** Calls, and again while the server is away. Only for calls that are harmless to repeat. */
  repeatable<T>(call: (options: CallOptions) => Promise<T>, settings?: CallSettings): Promise<T>;
  /**
   * Reads a stream, and opens it again whenever it breaks, with a wait that grows with every failure in a row. Throws
   * what is no passing trouble; returns when the server ends the stream in order.
   */
  resumed<T>(open: (options: CallOptions) => AsyncIterable<T>, signal?: AbortSignal): AsyncGenerator<T>;
}

/** Makes a caller. */
export function createCaller({ headers, timeoutMs = 30_000, retryMs = 10_000, onRetry }: CallerOptions): Caller {
  async function once<T>(call: (options: CallOptions) => Promise<T>, { signal }: CallSettings = {}): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await call({ ...(headers && { headers }), ...(signal && { signal }), timeoutMs });
    } catch (error) {
      signal?.throwIfAborted();
      throw toTaskQueueError(error);
    }
  }

  return {
    retries: retryMs > 0,
    once,

    async repeatable(call, settings) {
      const end = performance.now() + retryMs;
      for (let failures = 1; ; failures++) {
        try {
          return await once(call, settings);
        } catch (thrown) {
          settings?.signal?.throwIfAborted();
          const error = toTaskQueueError(thrown);
          const ms = retryWait(failures, error.retryAfterMs);
          if (error.code !== "UNAVAILABLE" || performance.now() + ms > end) throw error;
          onRetry?.(error);
          await wait(ms, settings?.signal);
        }
      }
    },

    async *resumed(open, signal) {
      for (let failures = 0; ; ) {
        const broken = new AbortController();
        const either = signal === undefined ? broken.signal : AbortSignal.any([signal, broken.signal]);
        let timer: ReturnType<typeof setTimeout> | undefined;
        try {
          signal?.throwIfAborted();
          const iterator = open({ ...(headers && { headers }), signal: either })[Symbol.asyncIterator]();
          for (;;) {
            // Only while we wait: a reader may take its time.
            timer = setTimeout(() => broken.abort(), MAX_SILENCE_MS);
            const result = await iterator.next();
            clearTimeout(timer);
            if (result.done) return;
            failures = 0;
            yield result.value;
          }
        } catch (thrown) {
          signal?.throwIfAborted();
          const error = toTaskQueueError(thrown);
          if (!isPassing(error)) throw error;
          failures++;
          onRetry?.(error);
          await wait(retryWait(failures, error.retryAfterMs), signal);
        } finally {
          clearTimeout(timer);
          // Also when the reader leaves: the connection of the stream must not stay.
          broken.abort();
        }
      }
    },
  };
}
