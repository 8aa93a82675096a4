import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** One run of a handler. Times are ms on the monotonic clock of the machine, which all processes share. */
export interface Run {
  readonly jobId: string;
  /** The process. */
  readonly pid: number;
  readonly begin: number;
  /** Infinity when it did not end: its process was killed. */
  readonly end: number;
}

/** The time now. */
export function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Reads what the handlers of all processes have written into a folder: `begin` or `end`, number of the run, job id, time in ns. */
export async function readRuns(folder: string): Promise<Run[]> {
  const runs: Run[] = [];
  for (const file of await readdir(folder)) {
    const open = new Map<string, Run>();
    for (const line of (await readFile(join(folder, file), "utf8")).split("\n")) {
      const [what, number = "", jobId = "", ns] = line.split(" ");
      const at = Number(ns) / 1e6;
      if (what === "begin") open.set(number, { jobId, pid: Number(file), begin: at, end: Number.POSITIVE_INFINITY });
      const run = open.get(number);
      if (what !== "end" || run === undefined) continue;
      open.delete(number);
      runs.push({ ...run, end: at });
    }
    runs.push(...open.values());
  }
  return runs.sort((a, b) => a.begin - b.begin);
}
