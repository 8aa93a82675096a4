import type { Command } from "commander";
import { JOB_STATUSES, type JobStatus } from "../../model/job/job.js";
import type { DeadJobFilter, JobFilter } from "../../model/job/job-filter.js";
import { PENDING_STATES, type PendingState } from "../../model/job/pending-state.js";
import { choices, list, pairs, pastMoment, someText } from "./values.js";

/** What the options of a filter come to. */
export interface FilterOptions {
  readonly queue?: readonly string[];
  readonly type?: readonly string[];
  readonly status?: readonly JobStatus[];
  readonly pendingState?: readonly PendingState[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly key?: readonly string[];
  readonly errorContains?: string;
  readonly errorEquals?: string;
  readonly errorGroup?: string;
  readonly schedule?: string;
  readonly worker?: string;
  readonly createdAfter?: number;
  readonly createdBefore?: number;
  readonly finishedAfter?: number;
  readonly finishedBefore?: number;
}

/** Adds the options that choose jobs. */
export function addFilterOptions(command: Command): Command {
  return addCommonOptions(command)
    .option("--status <status>", `of these statuses: ${JOB_STATUSES.join(", ")}`, choices(JOB_STATUSES))
    .option("--pending-state <state>", `PENDING and ${PENDING_STATES.join(", ")}`, choices(PENDING_STATES))
    .option("--finished-after <time>", "became DONE, DEAD or CANCELED since", pastMoment)
    .option("--finished-before <time>", "became so before", pastMoment);
}

/** Adds the options that choose dead jobs. */
export function addDeadFilterOptions(command: Command): Command {
  return addCommonOptions(command)
    .option("--died-after <time>", "died since", pastMoment)
    .option("--died-before <time>", "died before", pastMoment);
}

function addCommonOptions(command: Command): Command {
  return command
    .optionsGroup("Which (all that is given must match; several of one by commas or again):")
    .option("-q, --queue <queue>", "in these queues", list)
    .option("-t, --type <type>", "of these types", list)
    .option("-m, --meta <name=value>", "with this metadata", pairs)
    .option("--key <key>", "with these keys", list)
    .option("--error-contains <text>", "whose last error has this text in it", someText)
    .option("--error-equals <text>", "whose last error is this text", someText)
    .option("--error-group <text>", "the same but for numbers and ids, as `dlq summary` tells it", someText)
    .option("--schedule <schedule>", "made by this schedule", someText)
    .option("--worker <name>", "that this worker runs, or ran last", someText)
    .option("--created-after <time>", "created since: a time, or how long ago, like 2h", pastMoment)
    .option("--created-before <time>", "created before", pastMoment);
}

/** The filter that options ask for. */
export function filterOf(options: FilterOptions): JobFilter {
  return {
    ...commonOf(options),
    statuses: options.status,
    pendingStates: options.pendingState,
    finishedAfter: options.finishedAfter,
    finishedBefore: options.finishedBefore,
  };
}

/** The filter of dead jobs that options ask for. */
export function deadFilterOf(options: FilterOptions & { diedAfter?: number; diedBefore?: number }): DeadJobFilter {
  return { ...commonOf(options), diedAfter: options.diedAfter, diedBefore: options.diedBefore };
}

/** Whether a filter chooses nothing in particular. */
export function isEmptyFilter(filter: object): boolean {
  return Object.values(filter).every((value) => value === undefined);
}

function commonOf(options: FilterOptions) {
  return {
    queues: options.queue,
    types: options.type,
    metadata: options.meta,
    keys: options.key,
    errorContains: options.errorContains,
    errorEquals: options.errorEquals,
    errorGroup: options.errorGroup,
    schedule: options.schedule,
    worker: options.worker,
    createdAfter: options.createdAfter,
    createdBefore: options.createdBefore,
  };
}
