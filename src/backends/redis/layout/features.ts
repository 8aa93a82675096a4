/** Needed by a queue since its first job that expires: older servers hand such jobs out late, and do not see when they are due. */
export const EXPIRY = "expiry";

/** The queue says how long finished and dead jobs are kept: others would delete some too early, and none that is dead. */
export const RETENTION = "retention";

/** The queue gives its jobs what their requests leave open: others would create them without it. */
export const DEFAULTS = "defaults";

/** The queue bounds jobs by their keys, or gives keys turns: others would hand out too many, and in another order. */
export const KEYS = "keys";

/** Needed by a queue since its first job with a unique key: others would create a second one, and let go of no key. */
export const UNIQUE = "unique";

/** The queue hands out so many jobs in a time: others would hand out more. */
export const RATE = "rate";

/** Needed by a queue since its first schedule: older servers would not see when one is due, nor delete it with the queue. */
export const SCHEDULES = "schedules";

/**
 * The features that this version knows, beyond those that every version with this check has. A queue that uses one names
 * it in `requires` of its meta: servers that do not know it leave the queue alone. A change that older servers can live
 * with, as they copy the fields that they do not know, needs no feature.
 */
export const FEATURES: readonly string[] = [RETENTION, EXPIRY, DEFAULTS, KEYS, UNIQUE, RATE, SCHEDULES];
