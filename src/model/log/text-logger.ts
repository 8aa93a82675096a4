import { describeError } from "../common/describe-error.js";
import { guarded } from "../common/guarded.js";
import { cutText, toJsonText } from "../common/text.js";
import { escapeUnsafe } from "../common/unsafe-text.js";
import type { Logger } from "./logger.js";

/** Most fields of an entry, and most characters of one. */
const MAX_FIELDS = 20;
const FIELD_LENGTH = 200;

/**
 * The logger of a program that gives none to its task queue or worker: warnings and errors as text for people. An entry has one
 * line with its fields, then the error in `err` with its stack. Text that came from elsewhere breaks no line and steers no
 * terminal. `write` gets an entry without a line break at its end.
 */
export function createTextLogger(write: (text: string) => void, context: object = {}): Logger {
  const at = (level: "warn" | "error") => (fields: object, message: string) =>
    write(toEntry(level, { ...context, ...fields }, message));
  return {
    debug() {},
    info() {},
    warn: at("warn"),
    error: at("error"),
    child: (fields) => createTextLogger(write, { ...context, ...fields }),
    isLevelEnabled: (level) => level === "warn" || level === "error",
  };
}

function toEntry(level: string, { err, ...fields }: { err?: unknown }, message: string): string {
  const told = Object.entries(fields)
    .slice(0, MAX_FIELDS)
    .map(([name, value]) => `${inLine(name)}=${toFieldText(value)}`);
  const line = [`gotaskq ${level}: ${inLine(message)}`, ...told].join(" ");
  if (err === undefined) return line;
  const { type, message: text, stack } = describeError(err);
  return `${line}\n${escapeUnsafe(stack ?? `${type}: ${text}`)}`;
}

function toFieldText(value: unknown): string {
  const read = () => (typeof value === "string" && !/[\s"]/.test(value) ? value : toJsonText(value)) ?? String(value);
  return inLine(cutText(guarded(read, "(unreadable)"), FIELD_LENGTH));
}

function inLine(text: string): string {
  return escapeUnsafe(text).replaceAll("\n", "\\n");
}
