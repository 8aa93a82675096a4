import { readdirSync, readFileSync } from "node:fs";

/** The processes that a process has started. None where there is no `/proc`. */
export function childrenOf(pid: number): readonly number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const lists = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8"));
    return lists.flatMap((list) => list.split(" ").filter(Boolean).map(Number));
  } catch {
    return [];
  }
}

/** The processes that a server with several has started. */
export interface ServerProcesses {
  /** The one that keeps the jobs; undefined when there is none: on Redis, with one process, or when it has ended. */
  readonly store: number | undefined;
  readonly serving: readonly number[];
}

/** Returns the processes of a server, by the id of its first one. */
export function processesOf(pid: number): ServerProcesses {
  const all = childrenOf(pid);
  const store = all.find((child) => commandOf(child).includes("store-main"));
  return { store, serving: all.filter((child) => child !== store) };
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    // It has ended.
    return "";
  }
}
