import { escapeUnsafe } from "../../model/common/unsafe-text.js";

/** Escape sequences that colour the level. */
const COLORS: Readonly<Record<string, string>> = { warn: "33", error: "31", fatal: "31;1", info: "32" };

/** Returns what turns lines of JSON into text for people at a terminal. `hasColors`: whether levels are coloured. */
export function createPrettyFormat(hasColors: boolean): (line: string) => string {
  return (line) => {
    const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
    const label = String(level).toUpperCase().padEnd(5);
    const color = hasColors ? COLORS[String(level)] : undefined;
    const shown = color === undefined ? label : `\u001b[${color}m${label}\u001b[0m`;
    const told = Object.entries(fields).map(([name, value]) => `${safe(name)}=${toText(value)}`);
    const head = [toTime(String(time)), shown, safe(String(msg ?? "")), ...told].join(" ");
    return `${head}\n${err === undefined ? "" : indented(err)}`;
  };
}

/** The time of day here. */
function toTime(time: string): string {
  const date = new Date(time);
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()];
  const milliseconds = String(date.getMilliseconds()).padStart(3, "0");
  return `${parts.map((part) => String(part).padStart(2, "0")).join(":")}.${milliseconds}`;
}

function toText(value: unknown): string {
  const text = typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return safe(text);
}

/** An error with its stack, in lines of its own; its other fields after that. */
function indented(err: unknown): string {
  if (typeof err !== "object" || err === null) return `    ${safe(String(err))}\n`;
  const { type, message, stack, ...fields } = err as Record<string, unknown>;
  const lines = String(stack ?? `${type}: ${message}`).split("\n");
  for (const [name, value] of Object.entries(fields)) lines.push(`${name}=${JSON.stringify(value)}`);
  return lines.map((each) => `    ${safe(each)}\n`).join("");
}

/** A text in one line, with nothing in it that a terminal obeys. */
function safe(text: string): string {
  return escapeUnsafe(text).replaceAll("\n", "\\n");
}
