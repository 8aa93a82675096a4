import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
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

/** Starts any command. When it ends too early, what it wrote first as errors is told, unless `isQuiet`. */
export function startCommand(
  [file = "", ...args]: readonly string[],
  env: Readonly<Record<string, string>> = {},
  isQuiet = false,
): BenchProcess & { readonly child: ChildProcessByStdio<Writable, Readable, Readable | null> } {
  const child = spawn(file, args, {
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...env },
    stdio: ["pipe", "pipe", isQuiet ? "ignore" : "pipe"],
  }) as ChildProcessByStdio<Writable, Readable, Readable | null>;
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(0, 1000);
  });
  return { ...follow(child, [file, ...args], () => errors), child };
}

function start(args: readonly string[], env: Readonly<Record<string, string>>): BenchProcess {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return follow(child, args);
}

function follow(
  child: ChildProcessByStdio<Writable | null, Readable, Readable | null>,
  args: readonly string[],
  errors = () => "",
): BenchProcess {
  const exit = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return {
    child,
    line: (pattern) => Promise.race([nextLine(lines, pattern), ended(exit, args, errors)]),
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

async function ended(exit: Promise<unknown>, args: readonly string[], errors: () => string): Promise<never> {
  await exit;
  throw new Error(`${args.at(-1)} ended too early ${errors()}`.trim());
}
