import type { Readable, Writable } from "node:stream";
import type { SignalSource } from "../model/process/stop-signals.js";

/** A place to write to; a terminal tells its size. */
export interface Output extends Writable {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

/** What a command has of the world around it. */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean | undefined };
  /** What was asked for, and nothing else. */
  readonly stdout: Output;
  /** What is told besides. */
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Tells of SIGTERM and SIGINT to those who listen. */
  readonly signals: SignalSource;
  /** Says that the command goes on when nobody reads its output any more, as a server does. Others end then. */
  outliveReaders(): void;
}

/** The world of this process. */
export function processIo(outliveReaders: () => void): Io {
  const { stdin, stdout, stderr, env } = process;
  return { stdin, stdout, stderr, env, signals: process, outliveReaders };
}

/** Whether to colour what is written there. `NO_COLOR` and a dumb terminal forbid it, `FORCE_COLOR` wants it anywhere. */
export function hasColors(output: Output, env: Io["env"]): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR && env.FORCE_COLOR !== "0") return true;
  return output.isTTY === true && env.TERM !== "dumb";
}
