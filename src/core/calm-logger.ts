import { guarded } from "../model/common/guarded.js";
import { isLogged, type Logger } from "../model/log/logger.js";
import type { Clock } from "./clock.js";

/** For how long a line that was written stands for others of the same cause, ms. */
const CALM_MS = 5000;

/** Most lines about jobs that are written in that time, of one text and one type of job: each job has news of its own. */
const JOB_LINES = 50;

/** Most causes that are remembered. */
const MAX_CAUSES = 100;

interface Cause {
  /** When the first of the lines that count together was written, ms on the monotonic clock. */
  at: number;
  /** Lines written since then. */
  written: number;
  /** Lines left out since then. */
  repeated: number;
}

/**
 * A logger that writes one line a cause where one fault meets thousands of calls: of warnings and errors with the same
 * text, the same error and the same method of an RPC, one in `CALM_MS` is written; its field `repeated` says how many were left out
 * before it. Of what became of jobs `JOB_LINES` are, for each type, unless it is that the store was away: that is one cause, whichever
 * job met it.
 */
export function calmLogger(logger: Logger, clock: Clock): Logger {
  const causes = new Map<string, Cause>();

  /** How many lines were left out before this one; undefined if this one is to be left out. */
  function admit(cause: string, most: number): number | undefined {
    const at = clock.monotonic();
    const known = causes.get(cause);
    if (known !== undefined && at - known.at < CALM_MS) {
      if (known.written < most) known.written++;
      else known.repeated++;
      return known.repeated > 0 ? undefined : 0;
    }
    causes.delete(cause);
    causes.set(cause, { at, written: 1, repeated: 0 });
    // They are in the order of their lines.
    const [oldest] = causes.keys();
    if (causes.size > MAX_CAUSES && oldest !== undefined) causes.delete(oldest);
    return known?.repeated ?? 0;
  }

  function calmed(given: Logger): Logger {
    const at = (level: "warn" | "error") => (fields: object, message: string) => {
      const { err, job_id, type, method } = fields as Partial<Record<"err" | "job_id" | "type" | "method", unknown>>;
      const isAway = fieldOf(err, "reason") === "BACKEND_UNAVAILABLE";
      const isOfJob = job_id !== undefined && !isAway;
      const why = isAway ? "away" : isOfJob ? type : fieldOf(err, "message");
      const repeated = admit(JSON.stringify([level, message, why, method]), isOfJob ? JOB_LINES : 1);
      if (repeated !== undefined) given[level](repeated > 0 ? { ...fields, repeated } : fields, message);
    };
    return {
      debug: (fields, message) => given.debug(fields, message),
      info: (fields, message) => given.info(fields, message),
      warn: at("warn"),
      error: at("error"),
      // What a handler says about its job is its own: it has a logger for that job.
      child: (fields) => ("job_id" in fields ? given.child(fields) : calmed(given.child(fields))),
      isLevelEnabled: (level) => isLogged(given, level),
    };
  }

  return calmed(logger);
}

/** A field of an error, which may be anything that was thrown, or be described for the log already. */
function fieldOf(err: unknown, name: "reason" | "message"): unknown {
  return guarded(() => (err as Readonly<Record<string, unknown>> | null | undefined)?.[name], undefined);
}
