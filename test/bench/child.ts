import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const children = new Set<ChildProcess>();

/** Starts a program of this folder in a process of its own, and answers the first line it writes. */
export async function startChild(program: string, ...args: string[]): Promise<{ line: string; pid: number }> {
  const path = fileURLToPath(new URL(`./${program}`, import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return { line: String(line), pid: child.pid ?? 0 };
}

/** Ends what was started. */
export function endChildren(): void {
  for (const child of children) child.kill();
  children.clear();
}
