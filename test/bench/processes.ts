import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { LISTENS } from "../support/listens.js";

const MAIN = fileURLToPath(new URL("../../src/main.js", import.meta.url));

/** Processes that are killed when the row ends, however it ends. */
const children = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** A program that a row runs beside itself. */
export interface BenchProcess {
  readonly child: ChildProcess;
  /** Resolves to the first group of the next line of output that matches. Rejects when the program ends before that. */
  line(pattern: RegExp): Promise<string>;
  /** Ends it in an orderly way. */
  end(): Promise<void>;
}

/** Starts the server as `npm start` runs it, on a free port. */
export async function startServerProcess(
  env: Readonly<Record<string, string>>,
): Promise<BenchProcess & { readonly url: string }> {
  const server = start([MAIN], { PORT: "0", LOG_LEVEL: "warn", ...env });
  return { ...server, url: await server.line(LISTENS) };
}

/** Starts a program of this folder. */
export function startProgram(
  name: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): BenchProcess {
  return start([fileURLToPath(new URL(`${name}.js`, import.meta.url)), ...args], env);
}

function start(args: readonly string[], env: Readonly<Record<string, string>>): BenchProcess {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return {
    child,
    line: (pattern) => Promise.race([nextLine(lines, pattern), ended(exit, args)]),
    async end() {
      child.kill();
      await exit;
    },
  };
}

function nextLine(lines: Interface, pattern: RegExp): Promise<string> {
  return new Promise((resolve) => {
    const look = (line: string) => {
      const found = pattern.exec(line);
      if (found === null) return;
      lines.off("line", look);
      resolve(found[1] ?? line);
    };
    lines.on("line", look);
  });
}

async function ended(exit: Promise<unknown>, args: readonly string[]): Promise<never> {
  await exit;
  throw new Error(`${args.at(-1)} ended too early`);
}
