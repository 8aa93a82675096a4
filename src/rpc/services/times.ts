import { type Duration, DurationSchema, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";

/** Times and spans made last, by their last bits: the jobs of a moment share most of theirs, and nobody changes one. */
const RECENT = 64;
const recentTimes: (Timestamp & { readonly ms: number })[] = [];
const recentSpans: (Duration & { readonly ms: number })[] = [];

/** Ms since 1970 as a Timestamp. */
export function fromMs(ms: number): Timestamp {
  const place = ms & (RECENT - 1);
  const recent = recentTimes[place];
  if (recent?.ms === ms) return recent;
  const seconds = Math.floor(ms / 1000);
  const made = { $typeName: TimestampSchema.typeName, seconds: BigInt(seconds), nanos: nanosOf(ms, seconds), ms };
  recentTimes[place] = made;
  return made;
}

/** Ms, none or more of them, as a Duration. */
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

/** The same for a time that may not have come. */
export function fromTime(ms: number | undefined): Timestamp | undefined {
  return ms === undefined ? undefined : fromMs(ms);
}
