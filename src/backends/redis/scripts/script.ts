import { createHash } from "node:crypto";
import { GROUND, PRELUDE } from "./parts/prelude.js";
import { COUNT_TIME, KEEP_TIME } from "./time.js";

/** A Lua script as Redis knows it. */
export interface Script {
  readonly text: string;
  /** SHA-1 of the text: its name in the script cache of Redis. */
  readonly sha: string;
}

/** Lua that returns the time of Redis, ms since 1970, and the microseconds within that ms. */
export const REDIS_TIME = `
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000), time[2] % 1000`;

/**
 * What a script may do:
 *
 * - `grow`: writes; refused when the memory of Redis is full. For creates only: jobs that exist must be able to end.
 * - `end`: writes, even when the memory of Redis is full.
 * - `read`: writes nothing.
 */
export type ScriptKind = "grow" | "end" | "read";

const FLAGS: Readonly<Record<ScriptKind, string>> = {
  grow: "#!lua",
  end: "#!lua flags=allow-oom",
  read: "#!lua flags=no-writes",
};

/**
 * Builds a script that runs on one queue, with the prelude. `clock`: Lua body of a function that returns the time.
 * `features`: those that this server knows. `lean`: does the simplest and most frequent of what the script is for, and returns, before
 * anything is made that only the rest needs; where it does not return, it has changed nothing.
 *
 * Every call makes all functions of its script anew. For each local that a function uses, Lua searches those that functions used
 * before, unless it belongs to a function further out: so what most of them use is there, and they are in a function of their own.
 */
export function queueScript(
  kind: ScriptKind,
  body: string,
  clock: string,
  features: readonly string[],
  lean = "",
): Script {
  const outer = groundOf(clock, features) + KEEP_TIME + (kind === "read" ? "" : COUNT_TIME) + lean;
  return plainScript(kind, withoutUnused(`${outer}return (function()\n${PRELUDE}${body}\nend)()\n`));
}

/** What a call knows from the start. */
function groundOf(clock: string, features: readonly string[]): string {
  const known = features.map((feature) => `['${feature}'] = true`).join(", ");
  return GROUND.replace("@NOW@", clock).replace("@FEATURES@", `{${known}}`);
}

/** Leaves out comments, and functions that are not called: Lua would make each of them anew in every call of the script. */
function withoutUnused(text: string): string {
  const used = new Set<string>();
  // A function is called only behind its own end, so the last ones come first.
  return text
    .replace(/^ *--.*\n/gm, "")
    .split(/^(?=local function )|(?<=^end\n)/m)
    .reverse()
    .filter((part) => {
      const name = /^local function (\w+)(?!.* end$)/m.exec(part)?.[1];
      if (part.startsWith("local function") && name !== undefined && !used.has(name)) return false;
      for (const word of part.match(/[A-Za-z_]\w*/g) ?? []) used.add(word);
      return true;
    })
    .reverse()
    .join("");
}

/** Builds a script without the prelude, in which `@NOW@` is the body of a function that returns the time. */
export function scriptWithClock(kind: ScriptKind, body: string, clock: string): Script {
  return plainScript(kind, body.replace("@NOW@", clock));
}

/** Builds a script without the prelude. */
export function plainScript(kind: ScriptKind, body: string): Script {
  const text = `${FLAGS[kind]}\n${body}`;
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}
