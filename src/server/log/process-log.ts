import type { Writable } from "node:stream";
import { type Logger, pino, stdTimeFunctions } from "pino";
import { describeError } from "../../model/common/describe-error.js";
import { escapeUnsafe } from "../../model/common/unsafe-text.js";
import type { LogSettings } from "../config/logging.js";
import { LineOutput } from "./line-output.js";
import { createPrettyFormat } from "./pretty-line.js";

/** The log of a server process: one line of JSON an entry, or text for people at a terminal. */
export interface ProcessLog {
  readonly format: "json" | "pretty";
  /** For everything while the server runs; lines below LOG_LEVEL are not written. */
  readonly logger: Logger;
  /** For the start and the end: written whatever LOG_LEVEL is. */
  readonly life: Logger;
  /** Writes a text as it is: for `pretty` only. */
  print(text: string): void;
  /** Resolves when all is written, and after a second at the latest. Before the process ends. */
  flush(): Promise<void>;
}

/** How long the end of the process waits for whoever reads the log, ms. */
const FLUSH_MS = 1000;

/** Where the lines go: `process.stdout`, whose writes to a pipe do not wait. */
export interface LogStream extends Writable {
  readonly isTTY?: boolean | undefined;
}

/**
 * Creates the log of this process. `hasColors`: whether a terminal is to be coloured. `fields`: what every line has; default: nothing
 * but its own.
 */
export function createProcessLog(
  { logLevel, logFormat }: LogSettings,
  stream: LogStream,
  hasColors: boolean,
  fields: object | null = null,
): ProcessLog {
  const isTerminal = stream.isTTY === true;
  const isPretty = logFormat === "pretty" || (logFormat === "auto" && isTerminal);
  const output = new LineOutput(stream, {
    format: isPretty ? createPrettyFormat(isTerminal && hasColors) : escapeUnsafe,
    leftOut: (count) => life.warn({ count }, "nobody read the log for a while: lines were left out"),
  });
  const life = pino(
    {
      level: "info",
      // Collectors add host and process. A level by its name and a time that people can read are what they look for.
      base: fields,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Errors of handlers may be anything: pino's own serializer throws for some.
      serializers: { err: describeError },
    },
    output,
  );
  return {
    format: isPretty ? "pretty" : "json",
    logger: life.child({}, { level: logLevel }),
    life,
    print: (text) => output.print(text),
    flush: () => output.flush(FLUSH_MS),
  };
}
