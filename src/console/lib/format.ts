import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, durationMs, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { type Backoff, type BackoffSchema, type Unique, UniqueUntil } from "../../../gen/gotaskq/v1/job_pb.js";
import type { RateLimit, RateLimitSchema } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import type { PendingCounts } from "../../model/queue/pending-counts.js";

const COUNT = new Intl.NumberFormat("en");
const RATE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const MOMENT = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });

/** A count with thousands separators. */
export function count(value: number | bigint): string {
  return COUNT.format(value);
}

/** A count and its noun, as in "1 job" and "2 jobs". */
export function countOf(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/**
 * The jobs that wait, those that could run now and those that may not yet apart: "12 ready, 3 scheduled". Those that wait for a retry
 * and those that a limit holds back are told where there are any.
 */
export function waiting(counts: PendingCounts): string {
  return [`${count(counts.ready)} ready`, ...notReady(counts)].join(", ");
}

/** The jobs that wait and are not ready: "3 scheduled, 2 retrying". */
export function notReady({ scheduled, retrying, limited }: PendingCounts): string[] {
  return [
    `${count(scheduled)} scheduled`,
    ...(retrying > 0 ? [`${count(retrying)} retrying`] : []),
    ...(limited > 0 ? [`${count(limited)} limited`] : []),
  ];
}

/** So many a second. */
export function rate(perSecond: number): string {
  return `${RATE.format(perSecond)}/s`;
}

/** A span of ms in its two largest units, as in `2 h 5 min`; "0 s" below a millisecond. */
export function span(ms: number): string {
  if (ms < 1) return "0 s";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${RATE.format(seconds)} s`;
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ] as const;
  const parts: string[] = [];
  let rest = Math.round(seconds);
  for (const [unit, size] of units) {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    if (whole > 0) parts.push(`${whole} ${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** Formats a duration that may be missing. */
export function spanOf(duration: Duration | undefined): string {
  return duration === undefined ? "–" : span(durationMs(duration));
}

/** The waits between retries, as in "100 ms, then 2 times as long, up to 5 s" or "1 s, 1 min, then 1 h each". */
export function backoffText(backoff: Backoff | undefined): string {
  const { baseDelay, maxDelay, multiplier = 2, delays = [] } = backoff ?? {};
  const first = delays.slice(0, -1).map(spanOf);
  if (delays.length > 0)
    return [...first, `${first.length > 0 ? "then " : ""}${spanOf(delays.at(-1))} each`].join(", ");
  if (multiplier === 1) return `${spanOf(baseDelay)} each`;
  return `${spanOf(baseDelay)}, then ${RATE.format(multiplier)} times as long each, up to ${spanOf(maxDelay)}`;
}

/** A unique key and until when it is held, as in "report-42, until it starts, for 1 h at the least". */
export function uniqueText({ key, until, hold }: Unique): string {
  const held = hold === undefined ? "" : `, for ${spanOf(hold)} at the least`;
  return `${key}, until it ${until === UniqueUntil.STARTED ? "starts" : "ends"}${held}`;
}

/** A backoff as `parseBackoff` reads it: `100ms x 2 up to 5s`, or a list like `1s, 1m, 1h`. */
export function backoffInput(backoff: Backoff | undefined): string {
  if (backoff === undefined) return "";
  const { baseDelay, maxDelay, multiplier = 2, delays } = backoff;
  if (delays.length > 0) return delays.map(spanText).join(", ");
  return `${spanText(baseDelay)} x ${multiplier} up to ${spanText(maxDelay)}`;
}

/** Parses a backoff as people type it, see above; undefined when it is none. */
export function parseBackoff(text: string): MessageInitShape<typeof BackoffSchema> | undefined {
  const growing = /^(.+?)\s*[x*]\s*([\d.]+)\s+up to\s+(.+)$/.exec(text.trim());
  const spans = (growing ? [growing[1], growing[3]] : text.split(",")).map((each = "") => parseSpan(each));
  const delays = spans.flatMap((ms) => (ms === undefined ? [] : durationFromMs(ms)));
  if (delays.length < spans.length) return undefined;
  return growing ? { baseDelay: delays[0], maxDelay: delays[1], multiplier: Number(growing[2]) } : { delays };
}

/** A rate as `parseRate` reads it. */
export function rateInput(rate: RateLimit | undefined): string {
  return rate === undefined ? "" : `${rate.count} per ${spanText(rate.period)}, burst ${rate.burst}`;
}

/** Parses a rate as people type it: `100 per 1m`, or `100 per 1m, burst 5`; undefined when it is none. */
export function parseRate(text: string): MessageInitShape<typeof RateLimitSchema> | undefined {
  const found = /^(\d{1,9})\s*(?:per|in|\/)\s*(.+?)(?:,?\s*burst\s+(\d{1,9}))?$/.exec(text.trim());
  const period = found?.[2] === undefined ? undefined : parseSpan(/^\d/.test(found[2]) ? found[2] : `1${found[2]}`);
  if (found === null || period === undefined) return undefined;
  return { count: Number(found[1]), period: durationFromMs(period), burst: Number(found[3] ?? 0) };
}

/** A span as `parseSpan` reads it, as in `90s`: in the largest unit of which it is a whole number. */
export function spanText(duration: Duration | undefined): string {
  if (duration === undefined) return "";
  const ms = durationMs(duration);
  const [unit, size] = SPAN_UNITS.find(([, each]) => ms % each === 0) ?? ["ms", 1];
  return `${ms / size}${unit}`;
}

const SPAN_UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
] as const;

/** A time in the time zone of the user, as in `2026-05-01 12:00:00`. */
export function moment(time: Timestamp): string {
  return MOMENT.format(timestampMs(time));
}

/** A size in bytes, KB or MB. */
export function bytes(size: number): string {
  if (size < 1000) return countOf(size, "byte");
  if (size < 1_000_000) return `${RATE.format(size / 1000)} KB`;
  return `${RATE.format(size / 1_000_000)} MB`;
}

/**
 * Parses a duration as people type it: `500ms`, `30s`, `5m`, `2h`, `1d`. Returns ms; undefined when it is not a
 * duration.
 */
export function parseSpan(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)$/.exec(text.trim());
  if (!found) return undefined;
  const units: Readonly<Record<string, number>> = {
    ms: 1,
    s: 1000,
    m: 60_000,
    min: 60_000,
    h: 3_600_000,
    d: 86_400_000,
  };
  return Number(found[1]) * (units[found[2] ?? ""] ?? Number.NaN);
}
