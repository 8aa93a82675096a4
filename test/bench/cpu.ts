import { readFileSync } from "node:fs";
import type { BenchRedis } from "./redis.js";

/** Seconds of CPU that this process has used. */
export function cpuOfThis(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Seconds of CPU that a Redis has used. */
export async function cpuOfRedis(redis: BenchRedis): Promise<number> {
  const text = await redis.info("cpu");
  const [user, system] = ["user", "sys"].map((kind) => Number(new RegExp(`used_cpu_${kind}:(\\S+)`).exec(text)?.[1]));
  return (user ?? Number.NaN) + (system ?? Number.NaN);
}

/** Seconds of CPU that a server has used. */
export async function cpuOfServer(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (\S+)/m.exec(text)?.[1]);
}

/** Clock ticks a second in `/proc`: 100 on every Linux that Node runs on. */
const TICKS = 100;

/** Seconds of CPU that a process has used, without its children. NaN where there is no `/proc`. */
export function cpuOfProcess(pid: number): number {
  return (Number(statOf(pid)[11]) + Number(statOf(pid)[12])) / TICKS;
}

/** The fields after the name of its program, which may have spaces in it. */
function statOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  } catch {
    return [];
  }
}
