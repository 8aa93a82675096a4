import { EventEmitter } from "node:events";
import { PassThrough, Writable } from "node:stream";
import { runCli } from "../../src/cli/cli.js";
import type { Io } from "../../src/cli/io.js";
import { within } from "../support/wait.js";

/** What a command came to. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stdout as JSON. */
  readonly records: readonly Record<string, unknown>[];
}

/** The world of a command in a test. */
export interface CliWorld {
  /** Whether stdin, stdout and stderr are a terminal. Default: a pipe. */
  readonly isTerminal?: boolean;
  /** What stdin has. Default: nothing. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A command that runs in this process. */
export interface RunningCli {
  readonly ended: Promise<CliResult>;
  stdout(): string;
  stderr(): string;
  /** Sends it a signal. */
  signal(name: "SIGINT" | "SIGTERM"): void;
}

/** Starts a command in this process. */
export function startCli(args: readonly string[], { isTerminal = false, input, env = {} }: CliWorld = {}): RunningCli {
  const signals = new EventEmitter();
  const text = { stdout: "", stderr: "" };
  const output = (name: keyof typeof text) => {
    const stream = new Writable({
      write(chunk, _encoding, done) {
        text[name] += chunk;
        done();
      },
    });
    return Object.assign(stream, { isTTY: isTerminal, columns: 120, rows: 30 });
  };
  const stdin = Object.assign(new PassThrough(), { isTTY: isTerminal });
  if (input !== undefined) stdin.end(input);
  else if (!isTerminal) stdin.end();
  const io: Io = {
    stdin,
    stdout: output("stdout"),
    stderr: output("stderr"),
    env: { NO_COLOR: "1", ...env },
    signals: signals as unknown as Io["signals"],
    outliveReaders() {},
  };
  const ended = runCli(args, io).then((code) => ({
    code,
    ...text,
    get records() {
      return text.stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
  }));
  return {
    ended: within(ended, `the end of gotaskq ${args.join(" ")}`, 20_000),
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    signal: (name) => void signals.emit(name, name),
  };
}

/** Runs a command in this process to its end. */
export function cli(args: readonly string[], world?: CliWorld): Promise<CliResult> {
  return startCli(args, world).ended;
}

/** Runs commands against one server: as scripts do, through a pipe, and as people do, at a terminal. */
export function cliOf(url: () => string) {
  const env = () => ({ GOTASKQ_URL: url() });
  return {
    pipe: (...args: string[]) => cli(args, { env: env() }),
    terminal: (...args: string[]) => cli(args, { env: env(), isTerminal: true }),
    /** With something on stdin. */
    given: (input: string, ...args: string[]) => cli(args, { env: env(), input }),
    /** At a terminal where somebody types. */
    typed: (input: string, ...args: string[]) => cli(args, { env: env(), input, isTerminal: true }),
    start: (...args: string[]) => startCli(args, { env: env() }),
  };
}
