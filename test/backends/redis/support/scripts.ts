import type { Redis } from "ioredis";
import { createScripts, type ScriptName } from "../../../../src/backends/redis/queues/queue-calls.js";
import { createKeys } from "../../../../src/backends/redis/scripts/keys.js";

/** Arguments of a script. */
type Arg = string | number | Buffer;

/** Runs scripts on one queue, with arguments, times and tokens that the test chooses. */
export interface ScriptRunner {
  /** The time of the scripts, ms since 1970; may have a fraction. */
  now: number;
  /** Name of the memo, number of the call, and 1 when it is repeated; empty: its answer is not remembered. */
  memo: string;
  /** What the scripts are told of the time; see KEEP_TIME. */
  told: string;
  /** MAX_COMPLETED_JOBS, a blank, and MAX_COMPLETED_BYTES. */
  maxCompleted: string;
  /** Whether scripts fail where the part at their start that does what is simple leaves it to the rest. */
  isLean: boolean;
  /** Start of the keys of the queue. */
  readonly base: string;
  /** Resolves to the script's own part of the answer. */
  run(name: ScriptName, ...args: readonly Arg[]): Promise<readonly unknown[]>;
}

/** Lua that reads the time from a key of the queue. */
const LUA_CLOCK = `
  local time = tonumber(redis.call('GET', base .. 'time'))
  return math.floor(time), time % 1 * 1000`;

/** Creates a runner. `features`: those that the scripts know. */
export function createRunner(
  client: Redis,
  prefix: string,
  queue: string,
  features: readonly string[] = [],
): ScriptRunner {
  const keys = createKeys(prefix);
  const base = keys.queue(queue).slice(0, -"meta".length);
  const scripts = createScripts(LUA_CLOCK, features);
  const runner: ScriptRunner = {
    now: Date.UTC(2026, 10, 1),
    memo: "",
    told: "",
    maxCompleted: "1000 1000000000",
    isLean: false,
    base,
    async run(name, ...args) {
      await client.set(`${base}time`, runner.now);
      const common = [`${queue} ${runner.memo}`.trim(), keys.channel, 1000, 60_000, runner.maxCompleted, runner.told];
      const { text } = scripts[name];
      const body = runner.isLean
        ? text.replace(/^return \(function\(\)$[\s\S]*/m, "error('too much for a start')")
        : text;
      const call = [body, 1, keys.queue(queue), ...common, ...args];
      const answer = (await client.callBuffer("EVAL", call)) as unknown as readonly unknown[];
      return answer[3] as readonly unknown[];
    },
  };
  return runner;
}
