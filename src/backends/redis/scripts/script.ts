import { createHash } from "node:crypto";
import { PRELUDE } from "./prelude.js";

/** A Lua script as Redis knows it. */
export interface Script {
  readonly text: string;
  /** Its SHA-1: its name in the script cache. */
  readonly sha: string;
}

/** The time in ms since 1970, as scripts read it. */
export const REDIS_TIME = `
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)`;

/**
 * What a script may do beside what all may:
 *
 * - `grow`: it is refused when the memory of Redis is full (creates only: what runs must be able to end).
 * - `end`: it runs even then.
 * - `read`: it writes nothing.
 */
export type ScriptKind = "grow" | "end" | "read";

const FLAGS: Readonly<Record<ScriptKind, string>> = {
  grow: "#!lua",
  end: "#!lua flags=allow-oom",
  read: "#!lua flags=no-writes",
};

/** Makes a script of a queue, with the prelude. `clock` is the body of a function that answers the time. */
export function queueScript(kind: ScriptKind, body: string, clock: string): Script {
  return plainScript(kind, PRELUDE.replace("@NOW@", clock) + body);
}

/** Makes a script as it stands. */
export function plainScript(kind: ScriptKind, body: string): Script {
  const text = `${FLAGS[kind]}\n${body}`;
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}
