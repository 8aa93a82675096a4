import { type Duration, durationMs, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";

/** A time of a message in ms since 1970; undefined when it has none. */
export function timeOf(time: Timestamp | undefined): number | undefined {
  return time && timestampMs(time);
}

/** A duration of a message in ms; undefined when it has none. */
export function lengthOf(duration: Duration | undefined): number | undefined {
  return duration && durationMs(duration);
}
