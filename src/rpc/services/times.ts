import { type Duration, DurationSchema, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";

/**
 * The Timestamps and Durations built last, indexed by the low bits of their ms. Jobs that are handled at the same time
 * share most of theirs, and no message is ever changed.
 */
const RECENT = 64;
const recentTimes: (Timestamp & { readonly ms: number })[] = [];
const recentSpans: (Duration & { readonly ms: number })[] = [];

/** Converts ms since 1970 to a Timestamp. */
export function fromMs(ms: number): Timestamp {
  const place = ms & (RECENT - 1);
  const recent = recentTimes[place];
  if (recent?.ms === ms) return recent;
  const seconds = Math.floor(ms / 1000);
  const made = { $typeName: TimestampSchema.typeName, seconds: BigInt(seconds), nanos: nanosOf(ms, seconds), ms };
  recentTimes[place] = made;
  return made;
}

/** Converts a span of ms, not negative, to a Duration. */
export function fromDuration(ms: number): Duration {
  const place = ms & (RECENT - 1);
  const recent = recentSpans[place];
  if (recent?.ms === ms) return recent;
  const seconds = Math.floor(ms / 1000);
  const made = { $typeName: DurationSchema.typeName, seconds: BigInt(seconds), nanos: nanosOf(ms, seconds), ms };
  recentSpans[place] = made;
  return made;
}

function nanosOf(ms: number, seconds: number): number {
  return Math.round((ms - seconds * 1000) * 1e6);
}

/** Like `fromMs`; undefined stays undefined. */
export function fromTime(ms: number | undefined): Timestamp | undefined {
  return ms === undefined ? undefined : fromMs(ms);
}
