import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { token } from "./api.js";

/** The state of something that is read from the server. */
export interface Loaded<T> {
  readonly value: T | undefined;
  readonly error: unknown;
  /** Reads it again. */
  readonly reload: () => void;
}

/**
 * Reads from the server, and again when `key` or the token changes. With `everyMs` it also reads again at that interval
 * while the page is visible.
 */
export function useLoaded<T>(read: (signal: AbortSignal) => Promise<T>, key: string, everyMs?: number): Loaded<T> {
  const [state, setState] = useState<{ value: T | undefined; error: unknown }>({ value: undefined, error: undefined });
  const [turn, setTurn] = useState(0);
  const latest = useRef(read);
  latest.current = read;
  const credentials = token.value;
  // The dependencies of this effect say when to read again; `read` itself is new at each rendering.
  useEffect(() => {
    const leave = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function once(): Promise<void> {
      try {
        const value = await latest.current(leave.signal);
        if (!leave.signal.aborted) setState({ value, error: undefined });
      } catch (error) {
        // The value that was read before stays on the page.
        if (!leave.signal.aborted) setState(({ value }) => ({ value, error }));
      }
    }
    async function loop(): Promise<void> {
      if (!document.hidden || everyMs === undefined) await once();
      if (everyMs !== undefined && !leave.signal.aborted) timer = setTimeout(() => void loop(), everyMs);
    }
    void loop();
    return () => {
      leave.abort();
      clearTimeout(timer);
    };
  }, [key, turn, credentials, everyMs]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  return { ...state, reload };
}
