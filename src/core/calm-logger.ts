import { isUnavailable } from "../model/errors.js";
import { isLogged, type Logger } from "../model/logger.js";
import type { Clock } from "./clock.js";

/** For how long a line that was written stands for others of the same cause, ms. */
const CALM_MS = 5000;

/** Most causes that are remembered. */
const MAX_CAUSES = 100;

interface Cause {
  /** When its last line was written, ms on the monotonic clock. */
  at: number;
  /** Lines left out since then. */
  repeated: number;
}

/**
 * A logger that writes one line a cause where one fault meets thousands of calls: of warnings and errors with the same
 * text, the same error and the same method of an RPC, one in `CALM_MS` is written; its field `repeated` says how many were left out before it. What
 * became of a job is always written, unless it is that the store was away: that is one cause, whichever job met it.
 */
export function calmLogger(logger: Logger, clock: Clock): Logger {
  const causes = new Map<string, Cause>();

  /** How many lines were left out before this one; undefined if this one is to be left out. */
  function admit(cause: string): number | undefined {
    const at = clock.monotonic();
    const known = causes.get(cause);
    if (known !== undefined && at - known.at < CALM_MS) {
      known.repeated++;
      return undefined;
    }
    causes.delete(cause);
    causes.set(cause, { at, repeated: 0 });
    // They are in the order of their lines.
    const [oldest] = causes.keys();
    if (causes.size > MAX_CAUSES && oldest !== undefined) causes.delete(oldest);
    return known?.repeated ?? 0;
  }

  function calmed(given: Logger): Logger {
    const at = (level: "warn" | "error") => (fields: object, message: string) => {
      const { err, job, method } = fields as Partial<Record<"err" | "job" | "method", unknown>>;
      const isAway = isUnavailable(err);
      if (job !== undefined && !isAway) return given[level](fields, message);
      const why = isAway ? "away" : err instanceof Error ? err.message : "";
      const repeated = admit(JSON.stringify([level, message, why, method]));
      if (repeated !== undefined) given[level](repeated > 0 ? { ...fields, repeated } : fields, message);
    };
    return {
      debug: (fields, message) => given.debug(fields, message),
      info: (fields, message) => given.info(fields, message),
      warn: at("warn"),
      error: at("error"),
      child: (fields) => calmed(given.child(fields)),
      isLevelEnabled: (level) => isLogged(given, level),
    };
  }

  return calmed(logger);
}
