import type { CallOptions } from "@connectrpc/connect";
import type { TaskQueueError } from "../model/errors.js";
import { MAX_TIMER_MS } from "../model/long-timer.js";
import { savedTraceContext, type TraceContext } from "../model/trace-context.js";
import { isNotBegun, isPassing, toTaskQueueError } from "./errors.js";
import { type CallHeaders, type TokenSource, withToken } from "./token.js";
import { retryWait, wait } from "./wait.js";

/** Longest silence on a stream, ms: the server sends a heartbeat every 15 s, so a longer one is a broken connection. */
const MAX_SILENCE_MS = 40_000;

/** Settings of one call. */
export interface CallSettings {
  /** Aborts the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Settings of all calls of a client. Durations in ms. */
export interface CallerOptions {
  /** The token of the server, when it asks for one. */
  readonly token?: TokenSource | undefined;
  /** Sent with every call. */
  readonly headers?: CallHeaders | undefined;
  /** How long one try of a unary call may take before it fails with DEADLINE_EXCEEDED. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /**
   * For how long a call that is safe to repeat is retried while the server is away or drains (UNAVAILABLE). Creates are
   * among them, as they carry a request id; so is any call that the server did not begin with. Default 10,000. 0: no
   * retries.
   */
  readonly retryMs?: number | undefined;
  /** Called with the error of a failed try, before a call or a watch is tried again. */
  readonly onRetry?: ((error: TaskQueueError) => void) | undefined;
}

/** What a try of a call sends beside its message: what its `CallOptions` have as headers, in parts. */
export interface CallParts {
  /** Headers of the client, and its token where each call asks for it. Undefined: none. */
  readonly headers: CallHeaders | undefined;
  /** Where the program was in a trace when it made the call. Headers of the client come first. Undefined: in none. */
  readonly trace: TraceContext | undefined;
  /** How long it may take, ms. */
  readonly timeoutMs: number;
}

/** Makes one try of a unary call. */
export type UnaryCall<T> = (options: CallOptions, parts: CallParts) => Promise<T>;

/** Makes calls, and retries those that are safe to repeat. Its errors are `TaskQueueError`s. */
export interface Caller {
  /** Whether calls are retried at all. */
  readonly retries: boolean;
  /** Makes a unary call. Retries it only when the server did not begin with it: see `isNotBegun`. */
  once<T>(call: UnaryCall<T>, settings?: CallSettings): Promise<T>;
  /** Makes a unary call, and retries it while the server is away. Only for calls that are safe to repeat. */
  repeatable<T>(call: UnaryCall<T>, settings?: CallSettings): Promise<T>;
  /**
   * Reads a stream, and opens it again whenever it breaks, without a limit, after a wait that grows with every failure
   * in a row. Throws an error for which the same call would fail again; returns when the server ends the stream.
   */
  resumed<T>(open: (options: CallOptions) => AsyncIterable<T>, signal?: AbortSignal): AsyncGenerator<T>;
}

/** Tells where the program is in a trace at this moment; undefined: in none. */
export type ActiveTrace = () => TraceContext | undefined;

/** Creates a caller. Its calls carry on what `activeTrace` tells, but for headers of the caller's own. */
export function createCaller(options: CallerOptions, activeTrace?: ActiveTrace): Caller {
  const { headers: given, token, timeoutMs = 30_000, retryMs = 10_000, onRetry } = options;
  // Connect refuses a timeout with a part of a ms, and sets a timer of this length.
  const longest = Math.min(Math.ceil(timeoutMs), MAX_TIMER_MS);

  async function tryOnce<T>(call: UnaryCall<T>, { signal }: CallSettings): Promise<T> {
    signal?.throwIfAborted();
    try {
      const trace = activeTrace?.();
      // The token that all calls have is sent by the transport.
      const headers = typeof token === "function" ? await withToken(given, token) : given;
      // Who makes the call hears only of aborts that are still to come.
      signal?.throwIfAborted();
      const options = { ...headersOf(headers, trace), ...(signal && { signal }), timeoutMs: longest };
      return await call(options, { headers, trace, timeoutMs: longest });
    } catch (error) {
      signal?.throwIfAborted();
      throw toTaskQueueError(error);
    }
  }

  async function retried<T>(
    call: UnaryCall<T>,
    settings: CallSettings,
    mayRepeat: (error: TaskQueueError) => boolean,
  ): Promise<T> {
    const end = performance.now() + retryMs;
    for (let failures = 1; ; failures++) {
      try {
        return await tryOnce(call, settings);
      } catch (thrown) {
        settings.signal?.throwIfAborted();
        const error = toTaskQueueError(thrown);
        const ms = retryWait(failures, error.retryAfterMs);
        if (!mayRepeat(error) || performance.now() + ms > end) throw error;
        onRetry?.(error);
        await wait(ms, settings.signal);
      }
    }
  }

  return {
    retries: retryMs > 0,
    once: (call, settings = {}) => retried(call, settings, isNotBegun),
    repeatable: (call, settings = {}) => retried(call, settings, ({ code }) => code === "UNAVAILABLE"),

    async *resumed(open, signal) {
      for (let failures = 0; ; ) {
        const broken = new AbortController();
        const either = signal === undefined ? broken.signal : AbortSignal.any([signal, broken.signal]);
        let timer: ReturnType<typeof setTimeout> | undefined;
        let wasOpen = false;
        try {
          signal?.throwIfAborted();
          const trace = activeTrace?.();
          const headers = typeof token === "function" ? await withToken(given, token) : given;
          const iterator = open({ ...headersOf(headers, trace), signal: either })[Symbol.asyncIterator]();
          for (;;) {
            // Counts only while we wait for the server: the reader may take its time between messages.
            timer = setTimeout(() => broken.abort(), MAX_SILENCE_MS);
            const result = await iterator.next();
            clearTimeout(timer);
            if (result.done) return;
            failures = 0;
            wasOpen = true;
            yield result.value;
          }
        } catch (thrown) {
          signal?.throwIfAborted();
          const error = toTaskQueueError(thrown);
          // An open stream whose token was changed may go on with the next token: what opens it finds that out.
          const isTokenOver = wasOpen && error.code === "UNAUTHENTICATED";
          if (!isPassing(error) && !isTokenOver) throw error;
          failures++;
          onRetry?.(error);
          await wait(retryWait(failures, error.retryAfterMs), signal);
        } finally {
          clearTimeout(timer);
          // Also when the reader leaves the loop: the stream must not stay open.
          broken.abort();
        }
      }
    },
  };
}

/** The headers of a call, copied. */
function headersOf(
  given: CallHeaders | undefined,
  trace: TraceContext | undefined,
): { readonly headers?: Record<string, string> } {
  if (trace !== undefined) return { headers: { ...savedTraceContext(trace), ...given } };
  return given === undefined ? {} : { headers: { ...given } };
}
