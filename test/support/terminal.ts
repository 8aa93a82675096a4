import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { eventually, within } from "./wait.js";

const PTY = fileURLToPath(new URL("./pseudo-terminal.py", import.meta.url));

/** What a command came to that ran in a terminal. */
export interface TerminalEnd {
  /** Its exit code, or 128 and the number of the signal that ended it. */
  readonly code: number | null;
  /** All that it wrote. */
  readonly output: string;
  /** Whether it left the settings of the terminal as they were. */
  readonly isRestored: boolean;
}

/** A command that runs in a pseudo-terminal. */
export interface Terminal {
  output(): string;
  /** Resolves once this was written, after what `from` had been written. */
  shows(what: string | RegExp, from?: number): Promise<void>;
  /** Types on its keyboard. */
  type(text: string): void;
  signal(name: "SIGTERM" | "SIGINT" | "SIGHUP"): void;
  resize(rows: number, columns: number): void;
  readonly ended: Promise<TerminalEnd>;
}

/** Runs a command in a pseudo-terminal, by python3: Node has none. */
export function startTerminal(
  command: readonly string[],
  {
    env = {},
    rows = 24,
    columns = 100,
  }: { env?: Readonly<Record<string, string>>; rows?: number; columns?: number } = {},
): Terminal {
  const child = spawn("python3", [PTY, String(rows), String(columns), ...command], {
    env: { PATH: process.env.PATH ?? "", TERM: "xterm-256color", ...env },
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
  const control = child.stdio[3] as Writable;
  let output = "";
  let told = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  // It may have ended.
  for (const stream of [child.stdin, control]) stream?.on("error", () => {});
  const closed = within(
    once(child, "close").then(([code]): TerminalEnd => {
      const last = told.trim().split("\n").at(-1) ?? "";
      if (!last.startsWith("{")) throw new Error(`the terminal failed: ${told}`);
      return { code: code as number | null, output, isRestored: JSON.parse(last).restored === true };
    }),
    `the end of ${command.join(" ")}`,
    30_000,
  ).finally(() => child.kill("SIGTERM"));
  closed.catch(() => {});
  return {
    output: () => output,
    async shows(what, from = 0) {
      const isThere = () => {
        const text = output.slice(from);
        return typeof what === "string" ? text.includes(what) : what.test(text);
      };
      await eventually(async () => isThere() || undefined, `"${what}" in a terminal, which shows: ${output}`);
    },
    type: (text) => void child.stdin?.write(text),
    signal: (name) => void control.write(`${JSON.stringify({ signal: constants.signals[name] })}\n`),
    resize: (toRows, toColumns) => void control.write(`${JSON.stringify({ resize: [toRows, toColumns] })}\n`),
    ended: closed,
  };
}

/** Runs a command in a pseudo-terminal to its end. */
export function runInTerminal(...args: Parameters<typeof startTerminal>): Promise<TerminalEnd> {
  return startTerminal(...args).ended;
}
