import { InvalidArgumentError } from "commander";
import { parseDuration } from "../../model/common/duration.js";
import type { RateLimitRequest } from "../../model/queue/rate-limit.js";
import { DEFAULT } from "./values.js";

/** `100/1m`, `100/1m/20` with a burst, or `none`, which is the default. */
export function parseRate(text: string): RateLimitRequest | typeof DEFAULT {
  if (text === "none" || text === DEFAULT) return DEFAULT;
  const [count = "", period = "", burst, ...more] = text.split("/");
  // `5/s` is read as `5/1s`.
  const periodMs = parseDuration(/^\d/.test(period) ? period : `1${period}`);
  const isNumber = (part: string) => /^\d+$/.test(part);
  if (
    !isNumber(count) ||
    !period ||
    periodMs === undefined ||
    (burst !== undefined && !isNumber(burst)) ||
    more.length > 0
  ) {
    throw new InvalidArgumentError("It must be like 100/1m, 100/1m/20 with a burst, or none.");
  }
  return { count: Number(count), periodMs, ...(burst !== undefined && { burst: Number(burst) }) };
}
