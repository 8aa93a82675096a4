import { Code } from "@connectrpc/connect";
import { effect, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { noteError, token } from "./api.js";
import { explain } from "./errors.js";

/** How the page is connected. */
export type Link =
  | { readonly state: "connecting" | "live" | "ended" }
  /** Tried again by itself at `retryAt`, ms since 1970. */
  | { readonly state: "waiting"; readonly why: string; readonly retryAt: number };

/** The connection of the page shown: there is one stream a page, as browsers have six connections over HTTP/1.1. */
export const link = signal<Link>({ state: "connecting" });

/** The server sends a heartbeat at least every 15 s; after this silence the connection is dead, ms. */
const SILENCE_MS = 25_000;

/** The first and the longest wait before the next try, ms; a random part is taken off. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;

/** A page that nobody sees gives its connection back after this, ms: six hidden tabs would leave none for a seventh. */
const HIDDEN_MS = 60_000;

/** These do not go away by trying again. */
const FINAL: ReadonlySet<Code> = new Set([Code.NotFound, Code.InvalidArgument, Code.PermissionDenied]);

/** What a page does with its stream. */
export interface LiveOptions<M> {
  readonly open: (signal: AbortSignal) => AsyncIterable<M>;
  readonly onMessage: (message: M) => void;
  /** Called when trying again is no use. */
  readonly onFinal: (error: Error) => void;
  /** Called when the stream ends in order; answers after how many ms to open it again, or undefined. Default: at once. */
  readonly onEnd?: () => number | undefined;
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

/** Resolves when somebody sees the page. */
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

/** Resolves when there is another token. */
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

/** Opens the stream once and reads it to its end. A connection that fell silent counts as broken. */
async function readOnce<M>(
  { open, onMessage }: LiveOptions<M>,
  signal: AbortSignal,
  onFirst: () => void,
): Promise<void> {
  const attempt = new AbortController();
  const stop = () => attempt.abort();
  let silence = setTimeout(stop, SILENCE_MS);
  let unseen: ReturnType<typeof setTimeout> | undefined;
  const onSight = () => {
    clearTimeout(unseen);
    if (document.hidden) unseen = setTimeout(stop, HIDDEN_MS);
  };
  document.addEventListener("visibilitychange", onSight);
  onSight();
  signal.addEventListener("abort", stop);
  try {
    let isFirst = true;
    for await (const message of open(attempt.signal)) {
      clearTimeout(silence);
      silence = setTimeout(stop, SILENCE_MS);
      if (signal.aborted) return;
      if (isFirst) onFirst();
      isFirst = false;
      onMessage(message);
    }
  } finally {
    clearTimeout(silence);
    clearTimeout(unseen);
    document.removeEventListener("visibilitychange", onSight);
    signal.removeEventListener("abort", stop);
  }
}

/** Keeps a stream open until the signal aborts: opens it again with growing waits whenever it breaks. */
export async function keepOpen<M>(options: LiveOptions<M>, signal: AbortSignal): Promise<void> {
  let failures = 0;
  link.value = { state: "connecting" };
  while (!signal.aborted) {
    try {
      await readOnce(options, signal, () => {
        failures = 0;
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
      link.value = { state: "waiting", why: explain(error), retryAt: Date.now() + ms };
      await pause(ms, signal);
    }
  }
}

/** The live stream of a page, for as long as it is shown; opened anew when `key` changes. */
export function useLive<M>(options: LiveOptions<M>, key: string): void {
  const latest = useRef(options);
  latest.current = options;
  // The key says when the stream is another one.
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

/** Shows the connection of a page that has no stream and asks again and again instead. */
export function usePolledLink({ error, value }: { readonly error: unknown; readonly value: unknown }, everyMs: number) {
  useEffect(() => {
    if (error !== undefined) link.value = { state: "waiting", why: explain(error), retryAt: Date.now() + everyMs };
    else link.value = { state: value === undefined ? "connecting" : "live" };
  }, [error, value, everyMs]);
}
