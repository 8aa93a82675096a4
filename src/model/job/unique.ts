/** Until when a job holds its unique key: until it is DONE, CANCELED or DEAD, or only until it is handed out. */
export type UniqueUntil = "FINISHED" | "STARTED";

/**
 * What a create does whose unique key is held.
 *
 * | value   | what it does                                                                                           |
 * |---------|--------------------------------------------------------------------------------------------------------|
 * | KEEP    | creates nothing, and answers the job that holds the key                                                |
 * | REPLACE | makes a PENDING holder what it asks for, with all retries; one that is RUNNING or DONE is kept       |
 * | REFUSE  | is refused with JOB_EXISTS, which names the holder                                                     |
 */
export type UniqueConflict = "KEEP" | "REPLACE" | "REFUSE";

/** What makes a job unique in its queue: of those with one key, one at a time holds it. */
export interface Unique {
  readonly key: string;
  readonly until: UniqueUntil;
  /** It holds the key for so long from its creation at the least, ms, unless it is CANCELED, DEAD or deleted; DONE, it is kept as long. */
  readonly holdMs: number;
}

/** What a create says of it. */
export interface UniqueRequest {
  /** What tells this piece of work from others of the queue, whatever their type: 1 to 128 characters. */
  readonly key: string;
  /** Default: FINISHED; with REPLACE, STARTED. */
  readonly until?: UniqueUntil | undefined;
  /** The job holds the key for so long from its creation at the least, ms. Default: 0. */
  readonly holdMs?: number | undefined;
  /** Default: KEEP. */
  readonly onConflict?: UniqueConflict | undefined;
}

/** All values of `UniqueUntil`, and of `UniqueConflict`, in the order of the protos. */
export const UNIQUE_UNTIL: readonly UniqueUntil[] = ["FINISHED", "STARTED"];
export const UNIQUE_CONFLICTS: readonly UniqueConflict[] = ["KEEP", "REPLACE", "REFUSE"];

/** What a request means: with its defaults. */
export function toUnique({ key, until, holdMs = 0, onConflict = "KEEP" }: UniqueRequest): {
  readonly unique: Unique;
  readonly onConflict: UniqueConflict;
} {
  const untilThen = until ?? (onConflict === "REPLACE" ? "STARTED" : "FINISHED");
  return { unique: { key, until: untilThen, holdMs: Math.ceil(holdMs) }, onConflict };
}
