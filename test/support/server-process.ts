import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { cleanup } from "./cleanup.js";
import { LISTENS } from "./listens.js";
import { eventually } from "./wait.js";

const MAIN = fileURLToPath(new URL("../../.build/src/main.js", import.meta.url));

/** A server in a process of its own, as `npm start` runs it. */
export interface ServerProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** Everything it has printed so far; all of it after `end`. */
  output(): string;
  /** Resolves once it has printed this, or fails after `ms`. What it says on one of its outputs may come later than what it says on the other. */
  printed(what: string | RegExp, ms?: number): Promise<void>;
  /** Sends a signal and resolves to the exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

const running = new Set<ChildProcess>();

cleanup.afterEachTest(() => {
  for (const child of running) child.kill("SIGKILL");
});

/** Runs the built program, or another one, with these environment variables and none of the caller's configuration. */
export function spawnServer(
  env: Readonly<Record<string, string>>,
  cwd = process.cwd(),
  main = MAIN,
  args: readonly string[] = [],
): ChildProcess {
  if (!existsSync(main)) throw new Error("the server is not built: run `npm run build`, or the tests by `npm test`");
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? "", PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** Starts a server process and resolves when it listens. Rejects with its output when it ends instead. */
export async function startServerProcess(
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
  main?: string,
): Promise<ServerProcess> {
  const child = spawnServer(env, cwd, main);
  const lines: string[] = [];
  child.stderr?.on("data", (chunk) => lines.push(String(chunk)));
  // Later than `exit`: all of its output has been read by then.
  const closed = once(child, "close");
  const url = await new Promise<string>((resolve, reject) => {
    if (child.stdout === null) throw new Error("the process has no output");
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      const found = LISTENS.exec(line)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${lines.join("\n")}`)));
  });
  return {
    url,
    child,
    output: () => lines.join("\n"),
    async printed(what, ms) {
      const isThere = () => (typeof what === "string" ? lines.join("\n").includes(what) : what.test(lines.join("\n")));
      await eventually(async () => isThere() || undefined, `output of the server: ${what}`, ms);
    },
    async end(signal = "SIGTERM") {
      child.kill(signal);
      const [code] = await closed;
      return code as number | null;
    },
  };
}
