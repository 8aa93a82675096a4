import { Code, ConnectError } from "@connectrpc/connect";
import { effect, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { api, noteError, noteHeard, PROBE_TIMEOUT_MS, quietMs, token } from "./api.js";
import { readCaller } from "./caller.js";
import { explain } from "./errors.js";

/** The state of a page's connection. */
export type Link =
  | { readonly state: "connecting" | "live" | "ended" }
  /** The connection broke and is opened again at `retryAt`, ms since 1970. */
  | { readonly state: "waiting"; readonly why: string; readonly retryAt: number };

/**
 * The state of the current page's connection. Each page has only one stream, as browsers open six connections over
 * HTTP/1.1.
 */
export const link = signal<Link>({ state: "connecting" });

/** The server sends a heartbeat at least every 15 s; after this silence the stream is dead, ms. */
const SILENCE_MS = 25_000;

/** After this silence of the server, on the stream and by calls, a page that is seen asks whether it still answers, ms. */
const QUIET_MS = 4000;

/** The first and the longest wait before the next try, ms; a random part is taken off. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;

/** A hidden page closes its connection after this time, ms: six hidden tabs would leave none for a seventh. */
const HIDDEN_MS = 60_000;

/** Codes of errors that trying again does not cure. */
const FINAL: ReadonlySet<Code> = new Set([Code.NotFound, Code.InvalidArgument, Code.PermissionDenied]);

/** How a page uses its stream. */
export interface LiveOptions<M> {
  readonly open: (signal: AbortSignal) => AsyncIterable<M>;
  readonly onMessage: (message: M) => void;
  /** Called when trying again is useless. */
  readonly onFinal: (error: Error) => void;
  /**
   * Called when the stream ends without an error. Returns the ms until it is opened again; undefined: never. Default:
   * opened again without further delay.
   */
  readonly onEnd?: () => number | undefined;
}

/** Why the page is not live, as a sentence about now. */
function whyAway(error: unknown): string {
  return ConnectError.from(error).code === Code.DeadlineExceeded ? "The server is not answering." : explain(error);
}

/** Resolves after a time, when the network is back, or when the page no longer wants it. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

/** Resolves when the page is visible or the signal is aborted. */
function sight(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", check);
      signal.removeEventListener("abort", check);
      resolve();
    };
    document.addEventListener("visibilitychange", check);
    signal.addEventListener("abort", check);
    check();
  });
}

/** Resolves when the token has changed or the signal is aborted. */
function tokenChange(signal: AbortSignal): Promise<void> {
  const before = token.peek();
  return new Promise((resolve) => {
    const stop = effect(() => {
      if (token.value !== before) finish();
    });
    function finish() {
      queueMicrotask(() => stop());
      resolve();
    }
    signal.addEventListener("abort", finish, { once: true });
  });
}

/**
 * Asks the server whenever it was quiet for a while and somebody sees the page, until the signal aborts. Calls `onLost`,
 * once, when it does not answer.
 */
async function watchPulse(onLost: (error: ConnectError) => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sight(signal);
    const left = QUIET_MS - quietMs();
    if (left > 0) {
      await pause(left, signal);
      continue;
    }
    try {
      await api.health.check({}, { signal, timeoutMs: PROBE_TIMEOUT_MS });
    } catch (error) {
      // An error is an answer too, and something else may have been heard meanwhile.
      if (!signal.aborted && quietMs() >= QUIET_MS) return onLost(ConnectError.from(error));
    }
  }
}

/**
 * Opens the stream once and reads it to its end. A connection that fell silent counts as broken, and so does one to a
 * server that no longer answers.
 */
async function readOnce<M>(
  { open, onMessage }: LiveOptions<M>,
  signal: AbortSignal,
  onFirst: () => void,
): Promise<void> {
  const attempt = new AbortController();
  const stop = () => attempt.abort();
  void watchPulse((error) => attempt.abort(error), attempt.signal);
  let silence = setTimeout(stop, SILENCE_MS);
  let unseen: ReturnType<typeof setTimeout> | undefined;
  const onSight = () => {
    clearTimeout(unseen);
    if (document.hidden) unseen = setTimeout(stop, HIDDEN_MS);
  };
  document.addEventListener("visibilitychange", onSight);
  onSight();
  signal.addEventListener("abort", stop);
  let isFirst = true;
  try {
    for await (const message of open(attempt.signal)) {
      noteHeard();
      clearTimeout(silence);
      silence = setTimeout(stop, SILENCE_MS);
      if (signal.aborted) return;
      if (isFirst) onFirst();
      isFirst = false;
      onMessage(message);
    }
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    // Once it was open, it is the connection that went, and not the server that cannot be reached.
    throw !isFirst && error.cause instanceof TypeError ? new ConnectError("cut", Code.Canceled) : error;
  } finally {
    stop();
    clearTimeout(silence);
    clearTimeout(unseen);
    document.removeEventListener("visibilitychange", onSight);
    signal.removeEventListener("abort", stop);
  }
}

/** Keeps a stream open until the signal is aborted. Whenever it breaks it is opened again, after growing waits. */
export async function keepOpen<M>(options: LiveOptions<M>, signal: AbortSignal): Promise<void> {
  let failures = 0;
  let wasOpen = false;
  // What another page found out holds for this one too.
  if (link.peek().state !== "waiting") link.value = { state: "connecting" };
  while (!signal.aborted) {
    try {
      await readOnce(options, signal, () => {
        failures = 0;
        wasOpen = true;
        link.value = { state: "live" };
      });
      if (signal.aborted) return;
      const again = options.onEnd ? options.onEnd() : 0;
      if (again === undefined) {
        link.value = { state: "ended" };
        return;
      }
      await pause(Math.max(again, FIRST_WAIT_MS), signal);
    } catch (thrown) {
      if (signal.aborted) return;
      if (document.hidden) {
        link.value = { state: "connecting" };
        await sight(signal);
        continue;
      }
      if (wasOpen && ConnectError.from(thrown).code === Code.Unauthenticated) {
        // The rights of the token have changed, or it is none any more: whoever opens the stream again finds out.
        wasOpen = false;
        void readCaller();
        continue;
      }
      const error = noteError(thrown);
      if (FINAL.has(error.code)) {
        link.value = { state: "ended" };
        options.onFinal(error);
        return;
      }
      if (error.code === Code.Unauthenticated) {
        await tokenChange(signal);
        continue;
      }
      const ms = Math.min(FIRST_WAIT_MS * 2 ** failures++, LONGEST_WAIT_MS) * (0.7 + Math.random() * 0.3);
      link.value = { state: "waiting", why: whyAway(error), retryAt: Date.now() + ms };
      await pause(ms, signal);
    }
  }
}

/** Keeps the live stream of a page open while the page is shown. It is opened anew when `key` changes. */
export function useLive<M>(options: LiveOptions<M>, key: string): void {
  const latest = useRef(options);
  latest.current = options;
  // The options are new at each rendering; only `key` says when another stream is wanted.
  useEffect(() => {
    const leave = new AbortController();
    const current: LiveOptions<M> = {
      open: (signal) => latest.current.open(signal),
      onMessage: (message) => latest.current.onMessage(message),
      onFinal: (error) => latest.current.onFinal(error),
      onEnd: () => (latest.current.onEnd ? latest.current.onEnd() : 0),
    };
    void keepOpen(current, leave.signal);
    return () => leave.abort();
  }, [key]);
}

/** Shows the connection state of a page that polls every `everyMs` instead of using a stream. */
export function usePolledLink({ error, value }: { readonly error: unknown; readonly value: unknown }, everyMs: number) {
  useEffect(() => {
    if (error !== undefined) link.value = { state: "waiting", why: whyAway(error), retryAt: Date.now() + everyMs };
    else if (value !== undefined) link.value = { state: "live" };
    else if (link.peek().state !== "waiting") link.value = { state: "connecting" };
  }, [error, value, everyMs]);
}
