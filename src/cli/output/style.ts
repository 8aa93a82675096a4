import { escapeUnsafe } from "../../model/common/unsafe-text.js";
import type { JobStatus } from "../../model/job/job.js";

/** Colours that every terminal has, by the number of their escape. */
const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const;

/** What begins a colour, and what ends all. */
const ESCAPE = "\u001B";
const RESET = `${ESCAPE}[0m`;

/** A way in which text may look. */
export type Look = keyof typeof CODES;

/** Makes text look in a way; where there are no colours it returns the text as it is. */
export type Style = (look: Look, text: string) => string;

/** Returns what styles text, or leaves it. */
export function createStyle(isOn: boolean): Style {
  return isOn
    ? (look, text) => (text === "" ? text : `${ESCAPE}[${CODES[look]}m${text}${RESET}`)
    : (_look, text) => text;
}

/** How each status looks. */
export const STATUS_LOOK: Readonly<Record<JobStatus, Look>> = {
  PENDING: "blue",
  RUNNING: "cyan",
  DONE: "green",
  FAILED: "yellow",
  DEAD: "red",
  CANCELED: "magenta",
};

/** Text of others on one line: it breaks no line and steers no terminal. */
export function inLine(text: string): string {
  return escapeUnsafe(text).replaceAll("\n", "\\n");
}

/** The first characters of a text that fit into this width, with an ellipsis where some are left out. */
export function fitted(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** The same of a text that may have colours, which count for nothing. */
export function fittedLine(text: string, width: number): string {
  let seen = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === ESCAPE) at = text.indexOf("m", at);
    else if (++seen > width) return `${cutAfter(text, width - 1)}…${text.includes(ESCAPE) ? RESET : ""}`;
  }
  return text;
}

/** The first characters of a text with the colours among them. */
function cutAfter(text: string, count: number): string {
  let left = count;
  let at = 0;
  for (; at < text.length && left > 0; at++) {
    if (text[at] === ESCAPE) at = text.indexOf("m", at);
    else left--;
  }
  return text.slice(0, at);
}
