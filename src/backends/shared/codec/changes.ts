import type { Change, ChangeFilter, ChangePage } from "../../../core/port/changes.js";
import type { JobStatus } from "../../../model/job/job.js";
import { QueuePatterns } from "../../../model/queue/queue-patterns.js";
import { readStatus, writeStatus } from "./jobs.js";
import type { Whole } from "./whole.js";

/** A change, as frames have it. Null: undefined. */
export type WrittenChange = readonly [
  jobId: string,
  queue: string,
  type: string,
  priority: number,
  deleted: boolean,
  status: number,
  revision: number,
  retryCount: number,
  deliveries: number,
  lostLeases: number,
  error: string,
  progress: Change["progress"] | null,
  cancelRequested: boolean,
  worker: string,
  updatedAt: number,
  runAfter: number,
  startedAt: number | null,
  finishedAt: number | null,
];

export function writeChange(change: Change): WrittenChange {
  return [
    change.jobId,
    change.queue,
    change.type,
    change.priority,
    change.deleted,
    writeStatus(change.status),
    change.revision,
    change.retryCount,
    change.deliveries,
    change.lostLeases,
    change.error,
    change.progress ?? null,
    change.cancelRequested,
    change.worker,
    change.updatedAt,
    change.runAfter,
    change.startedAt ?? null,
    change.finishedAt ?? null,
  ];
}

export function readChange(written: WrittenChange): Change {
  const change: Whole<Change> = {
    jobId: written[0],
    queue: written[1],
    type: written[2],
    priority: written[3],
    deleted: written[4],
    status: readStatus(written[5]),
    revision: written[6],
    retryCount: written[7],
    deliveries: written[8],
    lostLeases: written[9],
    error: written[10],
    progress: written[11] ?? undefined,
    cancelRequested: written[12],
    worker: written[13],
    updatedAt: written[14],
    runAfter: written[15],
    startedAt: written[16] ?? undefined,
    finishedAt: written[17] ?? undefined,
  };
  return change;
}

/** A filter, as frames have it: lists for sets. Null: undefined. */
export type WrittenFilter = readonly [
  queues: readonly string[] | null,
  within: readonly string[] | null,
  types: readonly string[] | null,
  statuses: readonly JobStatus[] | null,
];

export function writeFilter({ queues, within, types, statuses }: ChangeFilter): WrittenFilter {
  return [listOf(queues), within?.list ?? null, listOf(types), listOf(statuses)];
}

export function readFilter([queues, within, types, statuses]: WrittenFilter): ChangeFilter {
  const filter: Whole<ChangeFilter> = {
    queues: setOf(queues),
    within: within === null ? undefined : new QueuePatterns(within),
    types: setOf(types),
    statuses: setOf(statuses),
  };
  return filter;
}

function listOf<T>(set: ReadonlySet<T> | undefined): readonly T[] | null {
  return set === undefined ? null : [...set];
}

function setOf<T>(list: readonly T[] | null): ReadonlySet<T> | undefined {
  return list === null ? undefined : new Set(list);
}

/** A page, as frames have it: its changes, and the cursor behind each. */
export type WrittenPage = readonly [
  changes: readonly WrittenChange[],
  cursors: readonly string[],
  next: string,
  more: boolean,
  told: number | null,
];

export function writePage({ entries, next, more, told }: ChangePage): WrittenPage {
  return [
    entries.map(({ change }) => writeChange(change)),
    entries.map(({ cursor }) => cursor),
    next,
    more,
    told ?? null,
  ];
}

/** Reads a page. Its `told` is the store's number. */
export function readPage([changes, cursors, next, more, told]: WrittenPage): ChangePage {
  const page: Whole<ChangePage> = {
    entries: changes.map((change, at) => ({ change: readChange(change), cursor: cursors[at] as string })),
    next,
    more,
    told: told ?? undefined,
  };
  return page;
}
