import type { ContextValues, CallOptions as RpcOptions } from "@connectrpc/connect";
import type { CallOptions } from "../api/call-options.js";
import { boundSignal, deadlineExceeded, waitWithin } from "../api/deadline.js";
import type { TaskQueueError } from "../model/common/errors.js";
import { savedTraceContext, type TraceContext } from "../model/log/trace-context.js";
import { MAX_TIMER_MS } from "../model/process/long-timer.js";
import { isNotBegun, isPassing, serverSilent, toTaskQueueError } from "./convert/errors.js";
import { REPEATABLE } from "./repeatable.js";
import { type CallHeaders, createHeaders, type HeaderSource, type TokenSource } from "./token.js";
import { retryWait, wait } from "./wait.js";

/** Longest silence on a stream, ms: the server sends a heartbeat every 15 s, so a longer one is a broken connection. */
const MAX_SILENCE_MS = 40_000;

/** A stream that broke sooner than this, ms, is not opened again at once, though there may be another server: each may do the same. */
const SHORT_STREAM_MS = 1000;

/** Settings of all calls of a client. Durations in ms. */
export interface CallerOptions {
  /** The token of the server, when it asks for one. */
  readonly token?: TokenSource | undefined;
  /** Sent with every call, or a function that answers what is: for those that change. */
  readonly headers?: HeaderSource | undefined;
  /** How long one try of a unary call may take that has no `timeoutMs` of its own; then it fails with DEADLINE_EXCEEDED. Default 30,000. */
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

/** What a try of a call sends beside its message: what its options have as headers, in parts. */
export interface CallParts {
  /** Headers of the client, and its token where each call asks for it. Undefined: none. */
  readonly headers: CallHeaders | undefined;
  /** Where the program was in a trace when it made the call. Headers of the client come first. Undefined: in none. */
  readonly trace: TraceContext | undefined;
  /** How long it may take, ms. */
  readonly timeoutMs: number;
}

/** Makes one try of a unary call. */
export type UnaryCall<T> = (options: RpcOptions, parts: CallParts) => Promise<T>;

/** Makes calls, and retries those that are safe to repeat. Its errors are `TaskQueueError`s. */
export interface Caller {
  /** Whether calls are retried at all. */
  readonly retries: boolean;
  /** Makes a unary call. Retries it only when the server did not begin with it: see `isNotBegun`. */
  once<T>(call: UnaryCall<T>, settings?: CallOptions): Promise<T>;
  /** Makes a unary call, and retries it while the server is away. Only for calls that are safe to repeat. */
  repeatable<T>(call: UnaryCall<T>, settings?: CallOptions): Promise<T>;
  /**
   * Reads a stream, and opens it again whenever it breaks, without a limit, after a wait that grows with every failure
   * in a row. Throws an error for which the same call would fail again; returns when the server ends the stream.
   */
  resumed<T>(open: (options: RpcOptions) => AsyncIterable<T>, settings?: CallOptions): AsyncGenerator<T>;
}

/** Tells where the program is in a trace at this moment; undefined: in none. */
export type ActiveTrace = () => TraceContext | undefined;

/** What a caller takes from its client. */
export interface CallerDeps {
  /** What calls carry on, but for headers of the caller's own. Default: nothing. */
  readonly activeTrace?: ActiveTrace | undefined;
  /** How many servers there are to go on to when one is away: each is tried once before there is a wait. Default 1. */
  readonly servers?: number | undefined;
}

/** How a call is made that may be tried again. */
interface Retries {
  /** What each try hands to the transport. */
  readonly contextValues?: ContextValues;
  mayRepeat(error: TaskQueueError): boolean;
}

const ONCE: Retries = { mayRepeat: isNotBegun };
const REPEATED: Retries = { contextValues: REPEATABLE, mayRepeat: ({ code }) => code === "UNAVAILABLE" };

/** Creates a caller. */
export function createCaller(options: CallerOptions, { activeTrace, servers = 1 }: CallerDeps = {}): Caller {
  const { timeoutMs = 30_000, retryMs = 10_000, onRetry } = options;
  const headersOf = createHeaders(options);
  // Connect refuses a timeout with a part of a ms, and sets a timer of this length.
  const longest = Math.min(Math.ceil(timeoutMs), MAX_TIMER_MS);

  function waitOf(failures: number, { retryAfterMs }: TaskQueueError): number {
    return failures < servers ? 0 : retryWait(failures - servers + 1, retryAfterMs);
  }

  /** Makes one try, which ends at `end` at the latest, ms on the monotonic clock. */
  async function tryOnce<T>(
    call: UnaryCall<T>,
    { signal, headers: own }: CallOptions,
    end: number,
    { contextValues }: Retries,
  ): Promise<T> {
    signal?.throwIfAborted();
    try {
      const trace = activeTrace?.();
      let headers = headersOf(own);
      if (headers instanceof Promise) {
        const timeoutMs = end === Number.POSITIVE_INFINITY ? longest : end - performance.now();
        headers = await waitWithin(headers, { signal, timeoutMs });
        // Who makes the call hears only of aborts that are still to come.
        signal?.throwIfAborted();
      }
      const timeoutMs = end === Number.POSITIVE_INFINITY ? longest : leftUntil(end);
      const options = {
        ...copyOf(headers, trace),
        ...(signal && { signal }),
        ...(contextValues && { contextValues }),
        timeoutMs,
      };
      return await call(options, { headers, trace, timeoutMs });
    } catch (error) {
      signal?.throwIfAborted();
      throw toTaskQueueError(error);
    }
  }

  async function retried<T>(call: UnaryCall<T>, settings: CallOptions, retries: Retries): Promise<T> {
    const begun = performance.now();
    const { signal, timeoutMs: own } = settings;
    const end = own === undefined ? Number.POSITIVE_INFINITY : begun + own;
    const lastTry = Math.min(begun + retryMs, end);
    for (let failures = 1; ; failures++) {
      try {
        return await tryOnce(call, settings, end, retries);
      } catch (thrown) {
        signal?.throwIfAborted();
        const error = toTaskQueueError(thrown);
        if (own !== undefined && error.code === "DEADLINE_EXCEEDED") throw deadlineExceeded(own);
        const ms = waitOf(failures, error);
        if (!retries.mayRepeat(error) || retryMs === 0 || performance.now() + ms > lastTry) throw error;
        onRetry?.(error);
        if (ms > 0) await wait(ms, signal);
      }
    }
  }

  return {
    retries: retryMs > 0,
    once: (call, settings = {}) => retried(call, settings, ONCE),
    repeatable: (call, settings = {}) => retried(call, settings, REPEATED),

    async *resumed(open, { signal: given, timeoutMs, headers: own } = {}) {
      const bound = timeoutMs === undefined ? undefined : boundSignal({ signal: given, timeoutMs });
      const signal = bound?.signal ?? given;
      try {
        for (let failures = 0; ; ) {
          const broken = new AbortController();
          const either = signal === undefined ? broken.signal : AbortSignal.any([signal, broken.signal]);
          let timer: ReturnType<typeof setTimeout> | undefined;
          let wasOpen = false;
          const begun = performance.now();
          try {
            signal?.throwIfAborted();
            const trace = activeTrace?.();
            let headers = headersOf(own);
            if (headers instanceof Promise) headers = await waitWithin(headers, { signal });
            const iterator = open({ ...copyOf(headers, trace), signal: either })[Symbol.asyncIterator]();
            for (;;) {
              // Counts only while we wait for the server: the reader may take its time between messages.
              timer = setTimeout(() => broken.abort(serverSilent()), MAX_SILENCE_MS);
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
            const isShort = wasOpen && performance.now() - begun < SHORT_STREAM_MS;
            await wait(isShort ? retryWait(1, error.retryAfterMs) : waitOf(failures, error), signal);
          } finally {
            clearTimeout(timer);
            // Also when the reader leaves the loop: the stream must not stay open.
            broken.abort();
          }
        }
      } finally {
        bound?.end();
      }
    },
  };
}

/** How long a try may take until then, in whole ms. */
function leftUntil(end: number): number {
  return Math.min(Math.max(1, Math.ceil(end - performance.now())), MAX_TIMER_MS);
}

/** The headers of a call, copied. */
function copyOf(
  given: CallHeaders | undefined,
  trace: TraceContext | undefined,
): { readonly headers?: Record<string, string> } {
  if (trace !== undefined) return { headers: { ...savedTraceContext(trace), ...given } };
  return given === undefined ? {} : { headers: { ...given } };
}
