import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { cleanup } from "../support/cleanup.js";
import { within } from "../support/wait.js";

const folder = fileURLToPath(new URL("./", import.meta.url));

/** A client in one language. */
export interface Language {
  readonly name: string;
  /** The program and its first arguments. */
  readonly command: readonly string[];
}

/** The languages with a client. All clients have the same commands and print the same. */
export const LANGUAGES = {
  go: { name: "Go", command: [`${folder}go/bin/gotaskq`] },
  python: { name: "Python", command: [`${folder}python/.venv/bin/python`, `${folder}python/main.py`] },
  java: {
    name: "Java",
    command: [
      "java",
      // Starts sooner, and is no worse for a short life.
      "-XX:TieredStopAtLevel=1",
      "-cp",
      `${folder}java/target/classes:${folder}java/target/lib/*`,
      "com.example.gotaskq.Main",
    ],
  },
  rust: { name: "Rust", command: [`${folder}rust/target/debug/gotaskq-client`] },
  typescript: { name: "TypeScript", command: [process.execPath, "--import", "tsx", `${folder}typescript/main.ts`] },
} satisfies Record<string, Language>;

/** A running client. */
export interface Program {
  readonly child: ChildProcess;
  /** Resolves when it has printed a line that matches, on either stream. */
  said(pattern: RegExp, ms?: number): Promise<void>;
  /** What it has printed so far. */
  lines(): readonly string[];
  /** Resolves to its exit code. */
  ended(): Promise<number | null>;
}

const running = new Set<ChildProcess>();
cleanup.afterEachTest(() => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a client. */
export function startProgram({ command }: Language, args: readonly string[], url: string): Program {
  const [file = "", ...first] = command;
  const env = {
    ...{ PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "" },
    ...{ GOTASKQ_URL: url, PYTHONUNBUFFERED: "1" },
    // Java reads its arguments by it.
    LC_ALL: "C.UTF-8",
  };
  const child = spawn(file, [...first, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const exit = once(child, "exit").then(([code]) => {
    running.delete(child);
    return code as number | null;
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      for (const look of waiting) look();
    });
  }
  return {
    child,
    lines: () => lines,
    said(pattern, ms) {
      const found = new Promise<void>((resolve) => {
        const look = () => {
          if (!lines.some((line) => pattern.test(line))) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
      const gone = exit.then((code) => {
        if (!lines.some((line) => pattern.test(line))) throw new Error(`it ended with ${code}:\n${lines.join("\n")}`);
      });
      return within(Promise.race([found, gone]), `${pattern} from ${file}, which said:\n${lines.join("\n")}\n`, ms);
    },
    ended: () => within(exit, `the end of ${file}`, 30_000),
  };
}

/** How long a worker may take to be ready, ms: a virtual machine on a busy processor. */
const READY_MS = 30_000;

/** Starts the worker of a client. Resolves when it takes jobs. */
export async function startWorker(language: Language, args: readonly string[], url: string): Promise<Program> {
  const worker = startProgram(language, ["worker", ...args], url);
  await worker.said(/^ready$/, READY_MS);
  return worker;
}

/** Runs a client to its end and returns the lines it printed. */
export async function runProgram(language: Language, args: readonly string[], url: string): Promise<readonly string[]> {
  const program = startProgram(language, args, url);
  const code = await program.ended();
  if (code !== 0) throw new Error(`${language.name} ended with ${code}:\n${program.lines().join("\n")}`);
  return program.lines();
}
