import { InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../../model/common/duration.js";

/** Reads what follows an option. What they throw names the option, and is told with the usage. */

/** `500ms`, `30s`, `5m`, `24h`, `7d`, or a number of ms. Returns ms. */
export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError("It must be a duration, like 500ms, 30s, 5m, 24h.");
  return ms;
}

/** An option of a duration that has a default, which its help tells as one writes it: `10s`. */
export function durationOption(flags: string, description: string, byDefault: string): Option {
  return new Option(flags, description).argParser(duration).default(duration(byDefault), byDefault);
}

/** Durations parted by commas. */
export function durations(text: string): readonly number[] {
  return text.split(",").map((each) => duration(each));
}

/** A word that puts a setting back to its default. Not null: to commander that is an option without a value. */
export const DEFAULT = "default";

/** A duration, or `default`. */
export function durationOrDefault(text: string): number | typeof DEFAULT {
  return text === DEFAULT ? text : duration(text);
}

/** Durations parted by commas, or `default`. */
export function durationsOrDefault(text: string): readonly number[] | typeof DEFAULT {
  return text === DEFAULT ? text : durations(text);
}

/** A moment, or `default`. */
export function momentOrDefault(text: string): number | typeof DEFAULT {
  return text === DEFAULT ? text : moment(text);
}

/** A whole number, or `default`. */
export function countOrDefault(text: string): number | typeof DEFAULT {
  return text === DEFAULT ? text : count(text);
}

/** What such an option says: null is the default. */
export function orNull<T>(value: T): Exclude<T, typeof DEFAULT> | null {
  return value === DEFAULT ? null : (value as Exclude<T, typeof DEFAULT>);
}

/** A whole number from 0 on. */
export function count(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

/** A whole number from 1 on. */
export function positive(text: string): number {
  const number = count(text);
  if (number === 0) throw new InvalidArgumentError("It must be 1 or more.");
  return number;
}

/** A number. */
export function decimal(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError("It must be a number.");
  return Number(text);
}

/**
 * A text that says something. An empty one is most often a variable of a script that is not set, and for the server as if the option were
 * not there: of a filter it would leave more jobs than were meant.
 */
export function someText(text: string): string {
  if (text === "") throw new InvalidArgumentError("It must not be empty.");
  return text;
}

/** A moment: as in `2026-11-26T18:00:00Z`. Returns ms since 1970. */
export function moment(text: string): number {
  const at = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(at)) {
    throw new InvalidArgumentError("It must be a time, like 2026-11-26T18:00:00Z.");
  }
  return at;
}

/** A moment, or a duration: so long ago. */
export function pastMoment(text: string): number {
  const ms = parseDuration(text);
  return ms === undefined ? moment(text) : Date.now() - ms;
}

/** What is parted by commas or given again and again. */
export function list(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(",").map((each) => each.trim())];
}

/** Several of some words, in any case. Completion reads which. */
export function choices<T extends string>(words: readonly T[]) {
  const parse = (text: string, before: readonly T[] = []): readonly T[] => [
    ...before,
    ...text.split(",").map((each) => choice(words)(each.trim())),
  ];
  return Object.assign(parse, { words });
}

/** One of some words, in any case. Completion reads which. */
export function choice<T extends string>(words: readonly T[]) {
  const parse = (text: string): T => {
    const found = words.find((word) => word === text.toUpperCase().replaceAll("-", "_"));
    if (found === undefined) throw new InvalidArgumentError(`It must be one of ${words.join(", ")}.`);
    return found;
  };
  return Object.assign(parse, { words });
}

/** `name=value`, again and again. */
export function pairs(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must be name=value.");
  return Object.fromEntries([...Object.entries(before), [text.slice(0, at), text.slice(at + 1)]]);
}
