import { Cron, type CronOptions } from "croner";
import { errorText } from "../../model/common/describe-error.js";

/** The times that a cron expression means, on the clock on the wall, as `LocalTime` writes them. All of them are whole seconds. */
export interface CronPattern {
  /** Its first time after a local time; undefined: none before the year 3000, where the library ends. */
  after(local: number): number | undefined;
  /** Its last time at a local time or before; undefined: none since the year 1. */
  upTo(local: number): number | undefined;
}

/** The library computes on the clock of UTC, which is never changed: what changes of clocks mean is decided in `LocalTime`. */
const OPTIONS: CronOptions = { paused: true, utcOffset: 0 };

/** Within these years each day of the year falls on each day of the week: what has no time in them has none ever. */
const ALL_CALENDARS = "2001-2028";

/** What may stand for the fields. */
const NICKNAMES = new Set(["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"]);

/** Expressions that are kept ready. */
const MOST_PATTERNS = 256;

const SECOND = 1000;

const patterns = new Map<string, CronPattern>();

/**
 * Reads a cron expression: five fields, six with seconds first, or a nickname. Throws an Error that says what is wrong with it, also
 * when no day is ever what it asks for, as the 30th of February. What it returns needs a few ms at the most for each time.
 */
export function parseCron(cron: string): CronPattern {
  const known = patterns.get(cron);
  if (known !== undefined) return known;
  const pattern = createPattern(cron);
  const [oldest] = patterns.keys();
  if (oldest !== undefined && patterns.size >= MOST_PATTERNS) patterns.delete(oldest);
  patterns.set(cron, pattern);
  return pattern;
}

function createPattern(cron: string): CronPattern {
  const fields = cron.trim().split(/\s+/);
  const isNickname = cron.trim().startsWith("@");
  if (isNickname && !NICKNAMES.has(cron.trim().toLowerCase())) {
    throw new Error(
      `must be one of ${[...NICKNAMES].join(", ")}, or @every and an interval in h, m, s or ms, as "@every 1h30m"`,
    );
  }
  // Anything else the library might take for a date.
  if (!isNickname && fields.length !== 5 && fields.length !== 6) {
    throw new Error(
      "must have five fields (minute, hour, day of the month, month, day of the week), six with seconds before them, or be a nickname such as @daily",
    );
  }
  const times = read(fields.join(" "), { ...OPTIONS, mode: "5-or-6-parts" });
  if (!isNickname) {
    // Bounded by years, as the library would look for a day that never comes for thousands of them.
    const seconds = fields.length === 5 ? ["0"] : [];
    const bounded = read([...seconds, ...fields, ALL_CALENDARS].join(" "), { ...OPTIONS, mode: "7-part" });
    if (bounded.nextRun(new Date(Date.UTC(2000, 11, 31))) === null) {
      throw new Error("never runs: no day is what it asks for");
    }
  }
  return {
    after: (local) => times.nextRun(new Date(local))?.getTime(),
    upTo: (local) => times.previousRuns(1, new Date(local + SECOND))[0]?.getTime(),
  };
}

function read(text: string, options: CronOptions): Cron {
  try {
    return new Cron(text, options);
  } catch (error) {
    throw new Error(errorText(error).replace(/^(?:\w*Error: )?CronPattern: /, ""), { cause: error });
  }
}
