import { DEFAULT_GRACE_MS, type Isolation } from "../../handlers/isolate-handlers.js";
import { parseByteSize } from "./byte-size.js";
import type { EnvReader } from "./env-reader.js";

/** Where handlers run, and what ends them, as the environment says. */
export interface IsolationConfig {
  readonly isolation: Isolation;
  /** Most bytes of the heap of each thread or process. Undefined: what Node takes. */
  readonly memoryBytes: number | undefined;
  /** How long a handler has, once its signal is aborted, before it is ended by force. */
  readonly graceMs: number;
}

const ISOLATIONS = ["none", "threads", "processes"] as const;

/** What each thread or process needs to start at all, bytes. */
const MIN_MEMORY = 16 * 2 ** 20;

/** Reads how handlers are isolated. Undefined: they run in the server's own thread. */
export function readIsolation(env: EnvReader): IsolationConfig | undefined {
  const isolation = env.choice("HANDLERS_ISOLATION", "none", ISOLATIONS);
  const memoryBytes = env.read<number | undefined>(
    "HANDLERS_MEMORY",
    undefined,
    (text) => {
      const bytes = parseByteSize(text);
      return bytes !== undefined && bytes >= MIN_MEMORY ? bytes : undefined;
    },
    "a number of bytes from 16MiB on, like 256MiB, 1.5GiB",
  );
  const graceMs = env.duration("HANDLERS_GRACE", DEFAULT_GRACE_MS, 0, 3_600_000);
  if (isolation === "none") {
    // What was meant by one that is not valid, nobody knows.
    if (!["none", undefined].includes(env.text("HANDLERS_ISOLATION"))) return undefined;
    for (const name of ["HANDLERS_MEMORY", "HANDLERS_GRACE"]) {
      if (env.isSet(name)) env.problem(name, "is for handlers in threads or processes; set HANDLERS_ISOLATION too");
    }
    return undefined;
  }
  if (!env.isSet("HANDLERS")) {
    env.problem("HANDLERS_ISOLATION", "is for handlers of your own: the built-in ones are harmless; set HANDLERS too");
  }
  return { isolation, memoryBytes, graceMs };
}

/** Reads how many handlers run at the same time, all queues together. */
export function readHandlerSlots(env: EnvReader): number {
  return env.integer("NUM_WORKERS", 10, 0, 10_000);
}
