import { type Duration, durationFromMs, type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { fieldInvalid } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";

/** What converts values for a message. They throw FIELD_INVALID for those that it cannot carry; the server checks the rest. */
export interface Converters {
  int(field: string, value: number): number;
  duration(field: string, ms: number): Duration;
  /** A Date, or ms since 1970. */
  time(field: string, at: Date | number): Timestamp;
}

/** Creates converters. `path`: prefix of the fields that errors name. */
export function converters(path = ""): Converters {
  return {
    int(field, value) {
      if (Number.isInteger(value) && Math.abs(value) < 2 ** 31) return value;
      throw fieldInvalid([{ field: `${path}${field}`, description: `must be a whole number, got ${value}` }]);
    },
    duration(field, ms) {
      if (Number.isFinite(ms)) return durationFromMs(Math.ceil(ms));
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
