import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { within } from "../support/wait.js";

/** How long a process may take until it is ready, ms. */
const START_MS = 20_000;

const BUILT = fileURLToPath(new URL("../../.build/src/main.js", import.meta.url));

/** A process that may be killed and frozen: a server or a worker. */
export interface Victim {
  readonly name: string;
  readonly pid: number;
  readonly isAlive: boolean;
  readonly isFrozen: boolean;
  /** Kills it by SIGKILL, or in the way of `how`. Resolves when it is gone. */
  kill(how?: () => void): Promise<void>;
  /** Sends SIGSTOP. */
  freeze(): void;
  /** Sends SIGCONT. */
  thaw(): void;
  /** What it printed last. */
  output(): string;
}

const children = new Set<ChildProcess>();
process.on("exit", killAllVictims);

/** Kills every process that was started, including those that are not ready yet. */
export function killAllVictims(): void {
  for (const child of children) child.kill("SIGKILL");
}

/**
 * Starts a program with these environment variables and resolves when it prints a line that matches `ready`, with the first
 * group of that. `died` is called when it ends after that and nobody killed it. Rejects with its output when it ends before.
 */
export async function startVictim(
  name: string,
  program: string,
  env: Readonly<Record<string, string>>,
  ready: RegExp,
  died: (how: string) => void,
): Promise<Victim & { readonly ready: string }> {
  if (!existsSync(BUILT)) throw new Error("the server is not built: run `npm run build`");
  const child = spawn(process.execPath, ["--enable-source-maps", program], {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  let output = "";
  const keep = (text: string) => {
    output = (output + text).slice(-4000);
  };
  child.stderr.setEncoding("utf8").on("data", keep);
  const found = await within(
    new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        keep(`${line}\n`);
        const match = ready.exec(line);
        if (match !== null) resolve(match[1] ?? "");
      });
      child.once("error", reject);
      child.once("close", (code, signal) => reject(new Error(`${name} ended with ${code ?? signal}:\n${output}`)));
    }),
    `the start of ${name}`,
    START_MS,
  ).catch((error) => {
    child.kill("SIGKILL");
    throw error;
  });

  let [isAlive, isFrozen] = [true, false];
  child.once("close", (code, signal) => {
    if (!isAlive) return;
    isAlive = false;
    died(String(code ?? signal));
  });
  return {
    name,
    pid: child.pid ?? 0,
    ready: found,
    get isAlive() {
      return isAlive;
    },
    get isFrozen() {
      return isFrozen;
    },
    async kill(how = () => void child.kill("SIGKILL")) {
      if (!isAlive) return;
      isAlive = false;
      const ended = once(child, "exit");
      how();
      await within(ended, `the end of ${name}`);
    },
    freeze() {
      isFrozen = true;
      child.kill("SIGSTOP");
    },
    thaw() {
      isFrozen = false;
      child.kill("SIGCONT");
    },
    output: () => output,
  };
}
