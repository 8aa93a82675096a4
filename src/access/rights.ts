import { create, type DescService, type MessageShape } from "@bufbuild/protobuf";
import { type DeadJobFilter, DlqService } from "../../gen/gotaskq/v1/dlq_service_pb.js";
import { type Job, type JobFilter, type JobResult, JobSchema } from "../../gen/gotaskq/v1/job_pb.js";
import { type BatchCreateJobsResult, JobService } from "../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../gen/gotaskq/v1/queue_service_pb.js";
import { type Schedule, ScheduleSchema, ScheduleService } from "../../gen/gotaskq/v1/schedule_service_pb.js";
import { ServerService } from "../../gen/gotaskq/v1/server_service_pb.js";
import { WorkerService } from "../../gen/gotaskq/v1/worker_service_pb.js";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { Health } from "../../gen/health/v1/health_pb.js";
import { isId, numberOf, queueOf } from "../model/queue/ids.js";
import { DEFAULT_QUEUE } from "../model/queue/queue.js";
import type { Scope } from "./scopes.js";

/** What a call needs: a scope; any token (`token`); any token unless reflection is open (`reflection`); nothing (`open`). */
export type Need = Scope | "token" | "reflection" | "open";

/** What one RPC needs, and which queues a request is about. */
export interface Right<I = never, O = never> {
  readonly need: Need;
  /**
   * The queues that a request names, itself, by ids, or in a filter: all must be the token's. What a request leaves open is
   * narrowed to the token's queues; see `Engine.within`.
   */
  readonly queues?: (request: I) => Iterable<string>;
  /** Of a call that decides several items each for itself: what refuses those in queues of others and no more. Default: it does not. */
  readonly each?: EachRight<I>;
  /** What of the answer a caller without `read` is given. Default: all. */
  readonly withoutRead?: (response: O) => object;
  /** For the table in the README: what a token with queues does. */
  readonly about: string;
}

/** How the items of a request are decided each for itself; its answer has `results` in their order, each a job or an error. */
export interface EachRight<I> {
  /** The field that has the items. */
  readonly list: keyof I & string;
  /** The queue of each item; undefined where it says none. Undefined as a whole: this request is decided as one. */
  readonly queues: (request: I) => readonly (string | undefined)[] | undefined;
}

type RightsOf<S extends DescService> = {
  readonly [M in keyof S["method"]]: Right<
    MessageShape<S["method"][M]["input"]>,
    Partial<MessageShape<S["method"][M]["output"]>>
  >;
};

const REFUSED = "refused for other queues";
const REFUSED_EACH = "refused for each in other queues";
const NARROWED = "those of its queues; refused when others are named";
const NONE = "-";

const HEALTH = { need: "open", about: NONE } as const;
const REFLECTION = { need: "reflection", about: NONE } as const;

const EACH_ID: EachRight<{ readonly ids: readonly string[] }> = {
  list: "ids",
  queues: ({ ids }) => ids.map((id) => ofId(id)[0]),
};

function queuesOfCreates({ requests }: { readonly requests: readonly { readonly queue: string }[] }): string[] {
  return requests.map(({ queue }) => queue || DEFAULT_QUEUE);
}

const JOB: RightsOf<typeof JobService> = {
  createJob: {
    need: "produce",
    queues: ({ queue }) => [queue || DEFAULT_QUEUE],
    // With a request id or a unique key of somebody else's job, its content would be told to whoever guesses that. A new job has not
    // changed yet: one that has is that of an earlier call.
    withoutRead: (response) =>
      response.deduplicated || response.job?.revision !== 1
        ? { ...response, job: idAndStatus(response.job) }
        : response,
    about: REFUSED,
  },
  batchCreateJobs: {
    need: "produce",
    queues: queuesOfCreates,
    each: {
      list: "requests",
      queues: (request) => (request.allowPartial ? queuesOfCreates(request) : undefined),
    },
    withoutRead: (response) => ({ ...response, results: response.results?.map(createdWithoutRead) }),
    about: "refused for other queues, with `allow_partial` for each in them",
  },
  batchGetJobs: { need: "read", each: EACH_ID, about: REFUSED_EACH },
  batchCancelJobs: {
    need: "produce",
    each: EACH_ID,
    withoutRead: (response) => ({ ...response, results: response.results?.map(resultWithoutRead) }),
    about: REFUSED_EACH,
  },
  getJob: {
    need: "read",
    queues: ({ id, queue }) => (queue === "" ? ofId(id) : numberOf(id) === id ? [queue] : [...ofId(id), queue]),
    about: REFUSED,
  },
  listJobs: { need: "read", queues: ({ queue, filter }) => [...named(queue), ...ofFilter(filter)], about: NARROWED },
  countJobs: { need: "read", queues: ({ filter }) => ofFilter(filter), about: NARROWED },
  cancelJob: {
    need: "produce",
    queues: ({ id }) => ofId(id),
    withoutRead: (response) => ({ ...response, job: idAndStatus(response.job) }),
    about: REFUSED,
  },
  runJob: {
    need: "produce",
    queues: ({ id }) => ofId(id),
    withoutRead: (response) => ({ ...response, job: idAndStatus(response.job) }),
    about: REFUSED,
  },
  updateJob: {
    need: "produce",
    queues: ({ id }) => ofId(id),
    withoutRead: (response) => ({ ...response, job: idAndStatus(response.job) }),
    about: REFUSED,
  },
  cancelJobs: { need: "admin", queues: ({ filter }) => ofFilter(filter), about: NARROWED },
  deleteJob: { need: "admin", queues: ({ id }) => ofId(id), about: REFUSED },
  deleteJobs: { need: "admin", queues: ({ filter }) => ofFilter(filter), about: NARROWED },
  watchJob: { need: "read", queues: ({ id }) => ofId(id), about: REFUSED },
  watchJobs: { need: "read", queues: ({ queues }) => queues, about: NARROWED },
};

const QUEUE: RightsOf<typeof QueueService> = {
  createQueue: { need: "admin", queues: ({ name }) => named(name), about: REFUSED },
  getQueue: { need: "read", queues: ({ name }) => named(name), about: REFUSED },
  listQueues: { need: "read", about: NARROWED },
  updateQueue: { need: "admin", queues: ({ queue }) => named(queue?.name), about: REFUSED },
  deleteQueue: { need: "admin", queues: ({ name }) => named(name), about: REFUSED },
  pauseQueue: { need: "admin", queues: ({ name }) => named(name), about: REFUSED },
  resumeQueue: { need: "admin", queues: ({ name }) => named(name), about: REFUSED },
  purgeQueue: { need: "admin", queues: ({ name }) => named(name), about: REFUSED },
  watchQueues: { need: "read", queues: ({ names }) => names, about: NARROWED },
};

const DLQ: RightsOf<typeof DlqService> = {
  listDeadJobs: {
    need: "read",
    queues: ({ queue, filter }) => [...named(queue), ...ofFilter(filter)],
    about: NARROWED,
  },
  summarizeDeadJobs: { need: "read", queues: ({ filter }) => ofFilter(filter), about: NARROWED },
  getDeadJob: { need: "read", queues: ({ id }) => ofId(id), about: REFUSED },
  replayDeadJob: { need: "admin", queues: ({ id }) => ofId(id), about: REFUSED },
  replayDeadJobs: { need: "admin", queues: ({ filter }) => ofFilter(filter), about: NARROWED },
  deleteDeadJob: { need: "admin", queues: ({ id }) => ofId(id), about: REFUSED },
  purgeDeadJobs: { need: "admin", queues: ({ filter }) => ofFilter(filter), about: NARROWED },
};

const SCHEDULE: RightsOf<typeof ScheduleService> = {
  // Who may create jobs may have them created; what is answered may be another one's.
  createSchedule: { need: "produce", queues: ofSchedule, withoutRead: scheduleWithoutRead, about: REFUSED },
  getSchedule: { need: "read", queues: ofNamed, about: REFUSED },
  listSchedules: { need: "read", queues: ({ queue }) => named(queue), about: NARROWED },
  updateSchedule: { need: "produce", queues: ofSchedule, withoutRead: scheduleWithoutRead, about: REFUSED },
  deleteSchedule: { need: "produce", queues: ofNamed, about: REFUSED },
  pauseSchedule: { need: "produce", queues: ofNamed, withoutRead: scheduleWithoutRead, about: REFUSED },
  resumeSchedule: { need: "produce", queues: ofNamed, withoutRead: scheduleWithoutRead, about: REFUSED },
  triggerSchedule: {
    need: "produce",
    queues: ofNamed,
    withoutRead: (response) => ({ ...response, job: idAndStatus(response.job) }),
    about: REFUSED,
  },
  previewSchedule: {
    need: "token",
    queues: ({ schedule }) => named(schedule?.queue),
    about: REFUSED,
  },
};

const WORKER: RightsOf<typeof WorkerService> = {
  streamJobs: { need: "work", queues: ({ queues }) => queues, about: NARROWED },
  leaseJobs: { need: "work", queues: ({ queues }) => queues, about: NARROWED },
  completeJobs: { need: "work", queues: ({ completions }) => ofJobs(completions), about: REFUSED },
  failJobs: { need: "work", queues: ({ failures }) => ofJobs(failures), about: REFUSED },
  extendLeases: { need: "work", queues: ({ extensions }) => ofJobs(extensions), about: REFUSED },
  releaseJobs: { need: "work", queues: ({ releases }) => ofJobs(releases), about: REFUSED },
};

const SERVER: RightsOf<typeof ServerService> = {
  getServerInfo: { need: "token", about: NONE },
  listWorkers: { need: "read", about: "workers that take from its queues, with their jobs there" },
};

const TABLES: readonly (readonly [DescService, Readonly<Record<string, Right>>])[] = [
  [JobService, JOB],
  [QueueService, QUEUE],
  [DlqService, DLQ],
  [ScheduleService, SCHEDULE],
  [WorkerService, WORKER],
  [ServerService, SERVER],
  [Health, { check: HEALTH, list: HEALTH, watch: HEALTH } satisfies RightsOf<typeof Health>],
  [ServerReflection, { serverReflectionInfo: REFLECTION } satisfies RightsOf<typeof ServerReflection>],
  [ServerReflectionAlpha, { serverReflectionInfo: REFLECTION } satisfies RightsOf<typeof ServerReflectionAlpha>],
];

/**
 * What each RPC needs, by its full name as in `gotaskq.v1.JobService/GetJob`. One that has no row is refused where tokens are
 * asked for.
 */
export const RIGHTS: ReadonlyMap<string, Right<object, object>> = new Map(
  TABLES.flatMap(([service, rights]) =>
    Object.entries(service.method).map(([name, method]) => [
      `${service.typeName}/${method.name}`,
      rights[name] as unknown as Right<object, object>,
    ]),
  ),
);

function named(queue: string | undefined): string[] {
  return queue ? [queue] : [];
}

/** The queue of an id. What is no id is refused by what it was meant for. */
function ofId(id: string): string[] {
  return isId(id) ? [queueOf(id)] : [];
}

function ofFilter(filter: JobFilter | DeadJobFilter | undefined): string[] {
  if (filter === undefined) return [];
  const short = "queue" in filter ? named(filter.queue) : [];
  return [...short, ...filter.queues, ...filter.ids.flatMap(ofId)];
}

function ofJobs(items: readonly { readonly jobId: string }[]): string[] {
  return items.flatMap(({ jobId }) => ofId(jobId));
}

function ofNamed({ queue }: { readonly queue: string }): string[] {
  return [queue || DEFAULT_QUEUE];
}

function ofSchedule({ schedule }: { readonly schedule?: Schedule | undefined }): string[] {
  return [schedule?.queue || DEFAULT_QUEUE];
}

/** What tells which schedule it is, and when it runs: not its payload. */
function scheduleWithoutRead<T extends { readonly schedule?: Schedule | undefined }>(response: T): T {
  const { schedule } = response;
  if (schedule === undefined) return response;
  const { queue, name, revision, nextRunAt, state } = schedule;
  return { ...response, schedule: create(ScheduleSchema, { queue, name, revision, nextRunAt, state }) };
}

/** As of CreateJob: one that was not created by this call may be another one's. */
function createdWithoutRead(result: BatchCreateJobsResult): BatchCreateJobsResult {
  return result.outcome.case === "job" && result.outcome.value.type !== "" ? resultWithoutRead(result) : result;
}

function resultWithoutRead<T extends { readonly outcome: JobResult["outcome"] }>(result: T): T {
  const { outcome } = result;
  if (outcome.case !== "job") return result;
  const { id, status } = outcome.value;
  return { ...result, outcome: { case: "job", value: create(JobSchema, { id, status }) } };
}

function idAndStatus(job: Job | undefined): Job | undefined {
  return job && create(JobSchema, { id: job.id, status: job.status });
}
