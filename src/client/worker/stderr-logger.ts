import { Console } from "node:console";
import { describeError } from "../../model/describe-error.js";
import { guarded } from "../../model/guarded.js";
import type { Logger } from "../../model/logger.js";
import { cutText, toJsonText } from "../../model/text.js";

/** Most fields of an entry, and most characters of one. */
const MAX_FIELDS = 20;
const FIELD_LENGTH = 200;

/** Writes to stderr. A Console, as it ignores that nobody reads the other end any more. */
function writeStderr(text: string): void {
  new Console(process.stderr).error("%s", text);
}

/**
 * The logger of a worker that is given none: warnings and errors go to stderr, as text for people. An entry has one line
 * with its fields, then the error in `err` with its stack.
 */
export function createStderrLogger(write: (text: string) => void = writeStderr, context: object = {}): Logger {
  const at = (level: "warn" | "error") => (fields: object, message: string) =>
    write(toEntry(level, { ...context, ...fields }, message));
  return {
    debug() {},
    info() {},
    warn: at("warn"),
    error: at("error"),
    child: (fields) => createStderrLogger(write, { ...context, ...fields }),
    isLevelEnabled: (level) => level === "warn" || level === "error",
  };
}

function toEntry(level: string, { err, ...fields }: { err?: unknown }, message: string): string {
  const told = Object.entries(fields)
    .slice(0, MAX_FIELDS)
    .map(([name, value]) => `${name}=${toFieldText(value)}`);
  const line = [`gotaskq ${level}: ${message}`, ...told].join(" ");
  if (err === undefined) return line;
  const { type, message: text, stack } = describeError(err);
  return `${line}\n${stack ?? `${type}: ${text}`}`;
}

function toFieldText(value: unknown): string {
  const read = () => (typeof value === "string" && !/[\s"]/.test(value) ? value : toJsonText(value)) ?? String(value);
  return cutText(guarded(read, "(unreadable)"), FIELD_LENGTH);
}
