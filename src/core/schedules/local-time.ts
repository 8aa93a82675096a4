/**
 * The clock on the wall of a time zone. A local time is written as the ms since 1970 at which a clock in UTC shows the same: so
 * local times can be computed with like any others.
 */
export interface LocalTime {
  /** What the clock on the wall shows at an instant. */
  at(instant: number): number;
  /**
   * The first instant at which the clock on the wall shows this time or a later one: of a time that a change of the clock skips, the
   * first moment after the change; of one that it repeats, the first time round. Never falls as the local time grows.
   */
  firstInstant(local: number): number;
  /** The latest local time, in whole seconds, whose first instant is not after this one. */
  latestReached(instant: number): number;
}

const SECOND = 1000;
const DAY = 86_400_000;

/** Time zones that are kept ready; each takes some 50 KB. */
const MOST_ZONES = 64;

const zones = new Map<string, LocalTime>();

/** The clock of a time zone by its IANA name, whose case does not matter; undefined: the platform knows none of this name. */
export function localTimeIn(timeZone: string): LocalTime | undefined {
  const known = zones.get(timeZone);
  if (known !== undefined) return known;
  const offsetAt = offsetsOf(timeZone);
  if (offsetAt === undefined) return undefined;
  const zone = createLocalTime(offsetAt);
  const [oldest] = zones.keys();
  if (oldest !== undefined && zones.size >= MOST_ZONES) zones.delete(oldest);
  zones.set(timeZone, zone);
  return zone;
}

/** @param offsetAt how far the clock is ahead of UTC at an instant, in ms */
function createLocalTime(offsetAt: (instant: number) => number): LocalTime {
  const at = (instant: number) => instant + offsetAt(instant);

  function firstInstant(local: number): number {
    // No zone is a day away from UTC, and none changes its clock twice within two days.
    const before = offsetAt(local - DAY);
    const after = offsetAt(local + DAY);
    if (before === after || offsetAt(local - before) === before) return local - before;
    if (offsetAt(local - after) === after) return local - after;
    // Skipped: the change lies between where the clock would show it if it had changed already, and if it never did.
    return least(local - after, local - before, (instant) => offsetAt(instant) === after);
  }

  function latestReached(instant: number): number {
    const shown = Math.floor(at(instant) / SECOND) * SECOND;
    if (firstInstant(shown + SECOND) > instant) return shown;
    // The clock was put back: it has shown later times already.
    const seconds = least(0, (2 * DAY) / SECOND, (count) => firstInstant(shown + count * SECOND) > instant);
    return shown + (seconds - 1) * SECOND;
  }

  return { at, firstInstant, latestReached };
}

/** The least whole number above `low`, at most `high`, of which this is true; it is true of `high`, and of all above the least. */
function least(low: number, high: number, isTrue: (value: number) => boolean): number {
  let below = low;
  let above = high;
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    if (isTrue(middle)) above = middle;
    else below = middle;
  }
  return above;
}

/** How far the clock of a zone is ahead of UTC, in ms, at any instant. */
function offsetsOf(timeZone: string): ((instant: number) => number) | undefined {
  if (/^utc$/i.test(timeZone)) return () => 0;
  // An offset is no time zone, although some platforms take one: it would run on one server and not on the next.
  if (!/^[a-z]/i.test(timeZone)) return undefined;
  const numeric = "numeric";
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
      second: numeric,
    });
  } catch {
    return undefined;
  }
  return (instant) => {
    const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = (
      format.format(instant).match(/\d+/g) ?? []
    ).map(Number);
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / SECOND) * SECOND;
  };
}
