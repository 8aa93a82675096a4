import { create, type Message } from "@bufbuild/protobuf";
import {
  DeleteDeadJobRequestSchema,
  ListDeadJobsRequestSchema,
  type ListDeadJobsResponse,
  ReplayDeadJobRequestSchema,
  type ReplayDeadJobResponse,
} from "../../../gen/gotaskq/v1/dlq_service_pb.js";
import { PayloadFormat } from "../../../gen/gotaskq/v1/job_pb.js";
import {
  type CreateJobResponse,
  GetJobRequestSchema,
  type GetJobResponse,
} from "../../../gen/gotaskq/v1/job_service_pb.js";
import {
  CreateQueueRequestSchema,
  ListQueuesRequestSchema,
  type ListQueuesResponse,
} from "../../../gen/gotaskq/v1/queue_service_pb.js";
import type { ErrorReason } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import { readCreate, readCreateInSteps } from "./create-request.js";
import type { OwnErrors } from "./errors.js";
import { toJobJson } from "./job-json.js";
import type { OriginalPath } from "./paths.js";

/** What a request says beside its body. */
export interface Target {
  /** What stands in the path where the route has a name in braces. */
  readonly param: string;
  readonly query: URLSearchParams;
}

/** One call of the original's API: an RPC of ours with another request and answer. */
export interface Route {
  readonly verb: "GET" | "POST" | "DELETE";
  readonly path: OriginalPath;
  /** The full name of the RPC. */
  readonly rpc: string;
  /** Of an answer without an error. */
  readonly status: number;
  /** Makes the request of the RPC. Throws a DecodeError for a body that is none. */
  readonly read: (target: Target, body: Uint8Array) => Message;
  /** The same in steps, where the body may be large. */
  readonly readInSteps?: (target: Target, body: Uint8Array) => Generator<void, Message>;
  /** The body of the answer. */
  readonly answer: (message: never) => string;
  /** Where the rest of a list is: the token of its next page; empty: there is none. */
  readonly nextPage?: (message: never) => string;
  /** What it says in cases in which the original has words of its own. */
  readonly errors: OwnErrors;
}

const PAYLOAD = { payloadFormat: PayloadFormat.TEXT } as const;

/** What is told of an id that leads to no job, or to none in this state. */
const NO_JOB: ReadonlySet<ErrorReason> = new Set<ErrorReason>([
  "FIELD_INVALID",
  "JOB_NOT_FOUND",
  "QUEUE_NOT_FOUND",
  "JOB_STATE_CONFLICT",
]);

const noErrors: OwnErrors = () => undefined;

function noJob(status: number, text: string): OwnErrors {
  return (reason, { held_by: holder }) => {
    if (!NO_JOB.has(reason)) return undefined;
    // It is there, and cannot be replayed as another job has its unique key.
    return holder === undefined ? { status, text } : { status: 409 };
  };
}

function only(expected: ErrorReason, text: string): OwnErrors {
  return (reason) => (reason === expected ? { text } : undefined);
}

function answerJob({ job }: CreateJobResponse | GetJobResponse | ReplayDeadJobResponse): string {
  return job === undefined ? "null" : toJobJson(job);
}

/**
 * The original's API. Where the original answers 500 for what the caller did, ours is the status that says so: 500 tells programs to
 * try again.
 */
export const ROUTES: readonly Route[] = [
  {
    verb: "POST",
    path: "/jobs",
    rpc: "gotaskq.v1.JobService/CreateJob",
    status: 201,
    read: (_target, body) => readCreate("", body),
    readInSteps: (_target, body) => readCreateInSteps("", body),
    answer: answerJob,
    errors: noErrors,
  },
  {
    verb: "GET",
    path: "/jobs/{id}",
    rpc: "gotaskq.v1.JobService/GetJob",
    status: 200,
    read: ({ param }) => create(GetJobRequestSchema, { id: param, ...PAYLOAD }),
    answer: answerJob,
    errors: noJob(400, "can't get job with this id"),
  },
  {
    verb: "GET",
    path: "/dlq",
    rpc: "gotaskq.v1.DlqService/ListDeadJobs",
    status: 200,
    read: ({ query }) =>
      create(ListDeadJobsRequestSchema, {
        queue: query.get("queue") ?? "",
        type: query.get("type") ?? "",
        // The original answers all of them: as many as may be.
        pageSize: Number(query.get("page_size") ?? LIMITS.pageSize),
        pageToken: query.get("page_token") ?? "",
        ...PAYLOAD,
      }),
    answer: ({ jobs }: Pick<ListDeadJobsResponse, "jobs">) => `[${jobs.map(toJobJson).join(",")}]`,
    nextPage: ({ nextPageToken }: ListDeadJobsResponse) => nextPageToken,
    errors: noErrors,
  },
  {
    verb: "POST",
    path: "/dlq/{id}/replay",
    rpc: "gotaskq.v1.DlqService/ReplayDeadJob",
    status: 200,
    read: ({ param }) => create(ReplayDeadJobRequestSchema, { id: param, ...PAYLOAD }),
    answer: answerJob,
    errors: noJob(404, "dead job not found"),
  },
  {
    verb: "DELETE",
    path: "/dlq/{id}",
    rpc: "gotaskq.v1.DlqService/DeleteDeadJob",
    status: 200,
    read: ({ param }) => create(DeleteDeadJobRequestSchema, { id: param }),
    answer: () => '{"message":"dead job deleted successfully"}',
    errors: noJob(404, "dead job not found"),
  },
  {
    verb: "POST",
    path: "/queue/{name}",
    rpc: "gotaskq.v1.QueueService/CreateQueue",
    status: 201,
    read: ({ param }) => create(CreateQueueRequestSchema, { name: param.toLowerCase() }),
    answer: () => '"Success creating new queue"',
    errors: only("QUEUE_EXISTS", "failed to register new queue:queue already exists"),
  },
  {
    verb: "GET",
    path: "/queue",
    rpc: "gotaskq.v1.QueueService/ListQueues",
    status: 200,
    read: () => create(ListQueuesRequestSchema),
    answer: ({ queues }: ListQueuesResponse) => JSON.stringify(queues.map(({ name }) => name).sort()),
    errors: noErrors,
  },
  {
    verb: "POST",
    path: "/{queue}/jobs",
    rpc: "gotaskq.v1.JobService/CreateJob",
    status: 201,
    read: ({ param }, body) => readCreate(param, body),
    readInSteps: ({ param }, body) => readCreateInSteps(param, body),
    answer: answerJob,
    errors: only("QUEUE_NOT_FOUND", "can't get queue with this name"),
  },
];
