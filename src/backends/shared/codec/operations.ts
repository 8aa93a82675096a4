import type { Backend, RowOutcome } from "../../../core/backend.js";
import type { CountQuery, ListDeadQuery, ListPage, ListQuery } from "../../../core/port/listing.js";
import { scheduleBytes } from "../../../core/port/schedule-store.js";
import type { Job } from "../../../model/job/job.js";
import type { Schedule } from "../../../model/request/schedule.js";
import { readFilter, readPage, type WrittenFilter, type WrittenPage, writeFilter, writePage } from "./changes.js";
import { readJob, type WrittenJob, writeJob } from "./jobs.js";
import {
  readFiring,
  readFiringResult,
  readNewSchedule,
  readSchedule,
  readScheduleChange,
  readTick,
  type WithWrittenJob,
  type WrittenFiring,
  type WrittenFiringResult,
  type WrittenNewSchedule,
  type WrittenScheduleChange,
  type WrittenTick,
  writeFiring,
  writeFiringResult,
  writeNewSchedule,
  writeSchedule,
  writeScheduleChange,
  writeTick,
} from "./schedules.js";
import { readPayload, type WrittenPayload } from "./whole.js";

/** Operations that travel one by one, and need nothing of either end but that they are written and read. */
export type Method = Exclude<
  keyof Backend,
  // What each end answers by itself, and what is gathered: see `Gathered`.
  | ("kind" | "durable" | "start" | "stop" | "told" | "follow" | "queueNames" | "takenElsewhere" | "claimFigures")
  | ("lease" | "enqueue" | "complete" | "fail" | "release" | "extend" | "get")
>;

type Args<M extends Method> = Parameters<Backend[M]>;
type Result<M extends Method> = Awaited<ReturnType<Backend[M]>>;

/** How an operation travels. What is not named travels as it is. */
interface Travel<A, R> {
  readonly writeArgs?: (args: A) => unknown;
  readonly readArgs?: (written: never) => A;
  readonly writeResult?: (result: R) => unknown;
  readonly readResult?: (written: never) => R;
  /** About the bytes of what it takes, where that may be many. */
  readonly bytesOf?: (args: A) => number;
}

const job = { writeResult: writeJob, readResult: (written: WrittenJob) => readJob(written) };

const schedule = {
  writeResult: writeSchedule,
  readResult: (written: WithWrittenJob<Schedule>) => readSchedule<Schedule>(written),
};

const page = {
  writeResult: ({ jobs, next }: ListPage) => [jobs.map(writeJob), next],
  readResult: ([jobs, next]: [readonly WrittenJob[], string | undefined]) => ({ jobs: jobs.map(readJob), next }),
};

/** A query: names and values that users chose are JSON. */
function query<Q extends CountQuery | ListQuery | ListDeadQuery>() {
  return {
    writeArgs: ([{ metadata, ...rest }]: [Q]) => [rest, metadata && JSON.stringify(metadata)],
    readArgs: ([rest, metadata]: [Q, string | undefined]): [Q] => [
      metadata === undefined ? rest : { ...rest, metadata: JSON.parse(metadata) },
    ],
  };
}

/** How operations travel that do not just as they are. */
const TRAVELS: { readonly [M in Method]?: Travel<Args<M>, Result<M>> } = {
  cancel: job,
  run: job,
  update: {
    ...job,
    bytesOf: ([, { payload }]) => payload?.length ?? 0,
    readArgs: ([id, { payload, ...changes }]: [string, { payload?: WrittenPayload }]): Args<"update"> => [
      id,
      payload === undefined ? changes : { ...changes, payload: readPayload(payload) ?? null },
    ],
  },
  list: { ...query<ListQuery>(), ...page },
  listDead: { ...query<ListDeadQuery>(), ...page },
  listKeys: query<ListQuery>(),
  listDeadKeys: query<ListDeadQuery>(),
  count: query<CountQuery>(),
  groupDead: query<CountQuery>(),
  act: {
    writeArgs: ([action, ids, { metadata, ...match }]) => [action, ids, match, metadata && JSON.stringify(metadata)],
    readArgs: ([action, ids, match, metadata]: [...Args<"act">, string | undefined]): Args<"act"> => [
      action,
      ids,
      metadata === undefined ? match : { ...match, metadata: JSON.parse(metadata) },
    ],
  },
  replay: {
    writeResult: (rows) => rows.map((row) => (isReplayed(row) ? writeJob(row.job) : row)),
    readResult: (rows: readonly (WrittenJob | RowOutcome)[]) =>
      rows.map((row): RowOutcome => ("outcome" in row ? row : { outcome: "APPLIED", job: readJob(row) })),
  },
  createSchedule: {
    ...schedule,
    bytesOf: ([{ spec }]) => scheduleBytes(spec),
    writeArgs: ([created]) => [writeNewSchedule(created)],
    readArgs: ([created]: [WrittenNewSchedule]): Args<"createSchedule"> => [readNewSchedule(created)],
  },
  getSchedule: schedule,
  listSchedules: {
    writeResult: ({ schedules, next }) => [schedules.map(writeSchedule), next],
    readResult: ([schedules, next]: [readonly WithWrittenJob<Schedule>[], string | undefined]) => ({
      schedules: schedules.map((written) => readSchedule<Schedule>(written)),
      next,
    }),
  },
  updateSchedule: {
    bytesOf: ([{ spec, was }]) => scheduleBytes(spec) + scheduleBytes(was),
    writeArgs: ([change]) => [writeScheduleChange(change)],
    readArgs: ([change]: [WrittenScheduleChange]): Args<"updateSchedule"> => [readScheduleChange(change)],
    writeResult: (changed) => changed && writeSchedule(changed),
    readResult: (written: WithWrittenJob<Schedule> | undefined) => written && readSchedule<Schedule>(written),
  },
  fireSchedule: {
    bytesOf: ([{ jobs }]) => jobs.reduce((sum, { payload }) => sum + (payload?.length ?? 0), 0),
    writeArgs: ([firing]) => [writeFiring(firing)],
    readArgs: ([firing]: [WrittenFiring]): Args<"fireSchedule"> => [readFiring(firing)],
    writeResult: writeFiringResult,
    readResult: (written: WrittenFiringResult) => readFiringResult(written),
  },
  tick: { writeResult: writeTick, readResult: (written: WrittenTick) => readTick(written) },
  read: {
    writeArgs: ([cursor, limit, filter]) => [cursor, limit, writeFilter(filter)],
    readArgs: ([cursor, limit, filter]: [string, number, WrittenFilter]): Args<"read"> => [
      cursor,
      limit,
      readFilter(filter),
    ],
    writeResult: writePage,
    readResult: (written: WrittenPage) => readPage(written),
  },
};

const METHODS: Readonly<Record<Method, true>> = {
  ...{ now: true, cancel: true, run: true, update: true, list: true, listDead: true, listKeys: true },
  ...{ listDeadKeys: true, count: true, groupDead: true, act: true, replay: true, remove: true, createQueue: true },
  ...{ queues: true, countReady: true, sizes: true, updateQueue: true, setPaused: true, deleteQueue: true },
  ...{ purge: true, createSchedule: true, getSchedule: true, listSchedules: true, updateSchedule: true },
  ...{ deleteSchedule: true, fireSchedule: true, tick: true, head: true, read: true },
};

/** Whether an operation of this name travels by itself. */
export function isMethod(name: string): name is Method {
  return Object.hasOwn(METHODS, name);
}

function isReplayed(row: RowOutcome): row is RowOutcome & { readonly job: Job } {
  return row.outcome === "APPLIED" && row.job !== undefined;
}

/** About the bytes that an operation takes in a frame beside those that each does. */
export function bytesOfArgs<M extends Method>(method: M, args: Args<M>): number {
  return TRAVELS[method]?.bytesOf?.(args) ?? 0;
}

/** Writes the arguments of an operation for a frame, and its result; each has its reader. */
export function writeArgs<M extends Method>(method: M, args: Args<M>): unknown {
  return TRAVELS[method]?.writeArgs?.(args) ?? args;
}

export function readArgs<M extends Method>(method: M, written: unknown): Args<M> {
  const read = TRAVELS[method]?.readArgs as ((written: unknown) => Args<M>) | undefined;
  return read === undefined ? (written as Args<M>) : read(written);
}

export function writeResult<M extends Method>(method: M, result: Result<M>): unknown {
  const write = TRAVELS[method]?.writeResult;
  return write === undefined ? result : write(result);
}

export function readResult<M extends Method>(method: M, written: unknown): Result<M> {
  const read = TRAVELS[method]?.readResult as ((written: unknown) => Result<M>) | undefined;
  return read === undefined ? (written as Result<M>) : read(written);
}
