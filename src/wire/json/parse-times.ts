/** Seconds that a Duration can tell: 10,000 years either way. */
const MAX_DURATION_SECONDS = 315_576_000_000n;

const DURATION = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;
const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Seconds and nanoseconds. */
export interface SecondsAndNanos {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** Reads a Duration as JSON has it, like `1.5s`; undefined when the text is none. */
export function parseDuration(text: string): SecondsAndNanos | undefined {
  const match = /\n/.test(text) ? null : DURATION.exec(text);
  if (match === null) return undefined;
  const [, minus, whole = "", fraction = ""] = match;
  const seconds = BigInt(whole);
  const nanos = Number(fraction.padEnd(9, "0"));
  if (seconds > MAX_DURATION_SECONDS || (seconds === MAX_DURATION_SECONDS && nanos > 0)) return undefined;
  return minus === "-" ? { seconds: -seconds, nanos: nanos === 0 ? 0 : -nanos } : { seconds, nanos };
}

/**
 * Reads a Timestamp as JSON has it (RFC 3339, years 1 to 9999), like `2026-11-25T12:00:00Z`; undefined when the text is
 * none, or names a day or time that there is not.
 */
export function parseTimestamp(text: string): SecondsAndNanos | undefined {
  const match = /\n/.test(text) ? null : TIMESTAMP.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    ...[number, number, number, number, number, number],
  ];
  const offsetMinutes = Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0);
  if (hour > 23 || minute > 59 || second > 59 || Number(match[9] ?? 0) > 23 || Number(match[10] ?? 0) > 59)
    return undefined;
  const date = new Date(0);
  // Unlike Date.UTC, this takes the years 1 to 99 for what they are.
  date.setUTCFullYear(year, month - 1, day);
  if (year === 0 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const ofDay = hour * 3600 + minute * 60 + second;
  const seconds = date.getTime() / 1000 + ofDay - (match[8] === "-" ? -offsetMinutes : offsetMinutes) * 60;
  if (seconds < -62_135_596_800 || seconds > 253_402_300_799) return undefined;
  return { seconds: BigInt(seconds), nanos: Number((match[7] ?? "").padEnd(9, "0")) };
}
