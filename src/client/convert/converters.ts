import { type Duration, durationFromMs, type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { fieldInvalid } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";

/** Longest duration that a message can tell, ms: 10,000 years. */
const MAX_DURATION_MS = 315_576_000_000_000;

/** What converts values for a message. They throw FIELD_INVALID for those that it cannot carry; the server checks the rest. */
export interface Converters {
  text(field: string, value: string): string;
  int(field: string, value: number): number;
  duration(field: string, ms: number): Duration;
  /** A Date, or ms since 1970. */
  time(field: string, at: Date | number): Timestamp;
}

/** Creates converters. `path`: prefix of the fields that errors name. */
export function converters(path = ""): Converters {
  return {
    text(field, value) {
      if (typeof value === "string") return value;
      throw fieldInvalid([{ field: `${path}${field}`, description: `must be a text, is ${typeof value}` }]);
    },
    int(field, value) {
      if (Number.isInteger(value) && Math.abs(value) < 2 ** 31) return value;
      throw fieldInvalid([{ field: `${path}${field}`, description: `must be a whole number, got ${value}` }]);
    },
    duration(field, ms) {
      if (Math.abs(ms) <= MAX_DURATION_MS) return durationFromMs(Math.ceil(ms));
      throw fieldInvalid([{ field: `${path}${field}`, description: `must be a number of ms, got ${ms}` }]);
    },
    time(field, at) {
      const ms = Math.ceil(Number(at));
      // Those that a Timestamp can tell.
      if (ms >= LIMITS.minTime && ms <= LIMITS.maxTime) return timestampFromMs(ms);
      throw fieldInvalid([
        { field: `${path}${field}`, description: `must be a time in the years 1 to 9999, got ${at}` },
      ]);
    },
  };
}
