import type { Command } from "commander";
import type { NewJob } from "../../client/index.js";
import type { BackoffRequest } from "../../model/job/backoff.js";
import { UNIQUE_CONFLICTS, UNIQUE_UNTIL, type UniqueConflict, type UniqueUntil } from "../../model/job/unique.js";
import { UsageError } from "../command-error.js";
import { choice, count, decimal, duration, durations, moment, pairs, someText } from "./values.js";

/** What the options of a job to create come to. */
export interface JobOptions {
  readonly queue?: string;
  readonly priority?: number;
  readonly delay?: number;
  readonly runAfter?: number;
  readonly maxRetries?: number;
  readonly backoff?: readonly number[];
  readonly backoffBase?: number;
  readonly backoffMax?: number;
  readonly backoffMultiplier?: number;
  readonly timeout?: number;
  readonly ttl?: number;
  readonly expiresAt?: number;
  readonly unique?: string;
  readonly uniqueUntil?: UniqueUntil;
  readonly uniqueHold?: number;
  readonly onConflict?: UniqueConflict;
  readonly key?: string;
  readonly meta?: Readonly<Record<string, string>>;
  readonly requestId?: string;
  readonly traceparent?: string;
}

/** Adds the options that jobs of schedules have too. */
export function addJobOptions(command: Command): Command {
  return command
    .option("-p, --priority <number>", "0 (default) to 10, higher first", count)
    .option("--max-retries <count>", "retries after failed attempts", count)
    .option("--backoff <durations>", "the waits before retries one by one, like 1s,10s,1m", durations)
    .option("--backoff-base <duration>", "or the first of them", duration)
    .option("--backoff-max <duration>", "the longest", duration)
    .option("--backoff-multiplier <number>", "and by how much each is longer", decimal)
    .option("--timeout <duration>", "longest run of one attempt", duration)
    .option("--ttl <duration>", "by when it must have begun, or it is CANCELED", duration)
    .option("--unique <key>", "one at a time in its queue with this key", someText)
    .option("--unique-until <state>", `until it is ${UNIQUE_UNTIL.join(" (default) or ")}`, choice(UNIQUE_UNTIL))
    .option("--unique-hold <duration>", "and for so long at the least", duration)
    .option("--on-conflict <what>", `where the key is taken: ${UNIQUE_CONFLICTS.join(", ")}`, choice(UNIQUE_CONFLICTS))
    .option("--key <key>", "whose it is, such as a tenant")
    .option("-m, --meta <name=value>", "a label, again and again", pairs);
}

/** Adds all options of a job. */
export function addNewJobOptions(command: Command): Command {
  return addJobOptions(
    command
      .optionsGroup("The job:")
      .option("-q, --queue <queue>", "its queue (default)")
      .option("--delay <duration>", "wait before it may run", duration)
      .option("--run-after <time>", "or the time from which it may run", moment),
  )
    .option("--expires-at <time>", "as --ttl, as a time", moment)
    .option("--request-id <id>", "the same id again creates no second job", someText)
    .option("--traceparent <header>", "the trace that it belongs to");
}

/** The fields of a job that options ask for, but for its type and payload. */
export function jobOf(options: JobOptions): Omit<NewJob, "type" | "payload"> {
  return {
    queue: options.queue,
    priority: options.priority,
    delayMs: options.delay,
    runAfter: options.runAfter,
    maxRetries: options.maxRetries,
    backoff: backoffOf(options),
    timeoutMs: options.timeout,
    ttlMs: options.ttl,
    expiresAt: options.expiresAt,
    unique: uniqueOf(options),
    key: options.key,
    metadata: options.meta,
    requestId: options.requestId,
    traceContext: options.traceparent === undefined ? undefined : { traceparent: options.traceparent },
  };
}

function backoffOf({ backoff, backoffBase, backoffMax, backoffMultiplier }: JobOptions): NewJob["backoff"] {
  const growing = { baseDelayMs: backoffBase, maxDelayMs: backoffMax, multiplier: backoffMultiplier };
  return toBackoff("--backoff", backoff, growing);
}

/** The backoff that options ask for: a list of waits, or waits that grow. `flag` is that of the list, and begins the names of the others. */
export function toBackoff(
  flag: string,
  delaysMs: readonly number[] | undefined,
  growing: BackoffRequest,
): BackoffRequest | undefined {
  const hasGrowing = Object.values(growing).some((value) => value !== undefined);
  if (delaysMs === undefined) return hasGrowing ? growing : undefined;
  if (hasGrowing) throw new UsageError(`${flag} is a list: it cannot be used with ${flag}-base, -max, -multiplier`);
  return { delaysMs };
}

function uniqueOf({ unique, uniqueUntil, uniqueHold, onConflict }: JobOptions): NewJob["unique"] {
  if (unique !== undefined) return { key: unique, until: uniqueUntil, holdMs: uniqueHold, onConflict };
  if (uniqueUntil !== undefined || uniqueHold !== undefined || onConflict !== undefined) {
    throw new UsageError("--unique-until, --unique-hold and --on-conflict are about the key of --unique");
  }
  return undefined;
}
