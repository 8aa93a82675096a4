import { LIMITS } from "../../model/common/limits.js";
import type { OriginalPath } from "../original/paths.js";
import { type PathItem, refTo } from "./rpc-paths.js";
import type { Schema } from "./schemas.js";

const TAG = "Original";

/** What the tag of the original's API says. */
export const ORIGINAL_TAG: Schema = {
  name: TAG,
  description:
    "The HTTP API of the original GoTaskQ. Each call is one of the RPCs with another spelling. From pages in browsers, every POST has " +
    "`content-type: application/json`.",
};

const TIME = { type: "string", format: "date-time" };

/** The schemas that only the original's API has. */
export const ORIGINAL_SCHEMAS: Readonly<Record<string, Schema>> = {
  "original.CreateJob": {
    type: "object",
    description: "A job to be created. Other members are passed over.",
    required: ["type"],
    properties: {
      type: { type: "string", minLength: 1, maxLength: LIMITS.typeLength, description: "Selects the handler." },
      payload: { description: "The input of the handler: any JSON, kept to the letter." },
      priority: { type: "integer", minimum: 0, maximum: LIMITS.priority, default: 0 },
      delay: { type: "integer", minimum: 0, default: 0, description: "Whole seconds until it may run, up to 1 year." },
      max_retries: {
        ...{ type: "integer", minimum: 0, maximum: LIMITS.maxRetries },
        description: "Retries after a failed attempt. Not set: the default of the queue or the server.",
      },
    },
  },
  "original.Job": {
    type: "object",
    description: "A job.",
    required: ["id", "type", "payload", "status", "priority", "delay", "max_retries", "retry_count"].concat(
      ...["created_at", "updated_at", "run_after"],
    ),
    properties: {
      id: { type: "string", description: "A number, and for every queue but `default` an `@` and its name." },
      type: { type: "string" },
      payload: { description: "As it was sent; null when there was none, or when it is bytes." },
      payload_bytes: { type: "string", contentEncoding: "base64", description: "A payload that is bytes." },
      status: { type: "string", enum: ["PENDING", "RUNNING", "DONE", "FAILED", "DEAD", "CANCELED"] },
      priority: { type: "integer" },
      delay: { type: "integer", description: "Always 0: `run_after` says when it may run." },
      max_retries: { type: "integer" },
      retry_count: { type: "integer" },
      error: { type: "string", description: "What the last failed attempt said. Left out when there was none." },
      created_at: TIME,
      updated_at: TIME,
      run_after: TIME,
    },
  },
  "original.Error": {
    type: "object",
    required: ["error"],
    properties: { error: { type: "string", description: "What is wrong, for people." } },
  },
};

const JOB = refTo("schemas", "original.Job");
const FAILED = refTo("responses", "OriginalError");

function answer(description: string, schema: Schema): Schema {
  return { description, content: { "application/json": { schema } } };
}

function inPath(name: string, description: string): Schema {
  return { name, in: "path", required: true, description, schema: { type: "string" } };
}

function inQuery(name: string, description: string, schema: Schema = { type: "string" }): Schema {
  return { name, in: "query", description, schema };
}

const ID = inPath("id", "The id of the job.");

function creates(operationId: string, summary: string, parameters: readonly Schema[]): PathItem {
  return {
    post: {
      ...{ operationId, tags: [TAG], summary, description: "As `CreateJob`." },
      ...(parameters.length > 0 && { parameters }),
      requestBody: {
        required: true,
        content: { "application/json": { schema: refTo("schemas", "original.CreateJob") } },
      },
      responses: { 201: answer("The job.", JOB), default: FAILED },
    },
  };
}

function operation(operationId: string, summary: string, rpc: string): Schema {
  return { operationId, tags: [TAG], summary, description: `As \`${rpc}\`.` };
}

/** The paths of the original's API. */
export const ORIGINAL_PATH_ITEMS: Readonly<Record<OriginalPath, PathItem>> = {
  "/jobs": creates("createJob", "Creates a job in the queue `default`", []),
  "/{queue}/jobs": creates("createJobOnQueue", "Creates a job in a queue", [inPath("queue", "The name of the queue.")]),
  "/jobs/{id}": {
    get: {
      ...operation("getJob", "Reads a job", "GetJob"),
      parameters: [ID],
      responses: { 200: answer("The job.", JOB), 400: FAILED, default: FAILED },
    },
  },
  "/dlq": {
    get: {
      ...operation("listDeadJobs", "Lists dead jobs, the last one first", "ListDeadJobs"),
      parameters: [
        inQuery("page_size", "How many at most.", { type: "integer", minimum: 0, maximum: LIMITS.pageSize }),
        inQuery("page_token", "From the header `Link` of the page before."),
        inQuery("queue", "Only those of this queue."),
        inQuery("type", "Only those of this type."),
      ],
      responses: {
        200: {
          ...answer("Dead jobs.", { type: "array", items: JOB }),
          headers: { Link: { description: 'With `rel="next"`: where the rest is.', schema: { type: "string" } } },
        },
        default: FAILED,
      },
    },
  },
  "/dlq/{id}/replay": {
    post: {
      ...operation("replayDeadJob", "Makes a dead job ready again", "ReplayDeadJob"),
      parameters: [ID],
      responses: { 200: answer("The job.", JOB), 404: FAILED, default: FAILED },
    },
  },
  "/dlq/{id}": {
    delete: {
      ...operation("deleteDeadJob", "Deletes a dead job", "DeleteDeadJob"),
      parameters: [ID],
      responses: {
        200: answer("It is deleted.", {
          ...{ type: "object", required: ["message"] },
          properties: { message: { const: "dead job deleted successfully" } },
        }),
        404: FAILED,
        default: FAILED,
      },
    },
  },
  "/queue/{name}": {
    post: {
      ...operation("createQueue", "Creates a queue", "CreateQueue"),
      parameters: [inPath("name", "Its name. Capitals are taken as small letters.")],
      responses: {
        201: answer("It is created.", { const: "Success creating new queue" }),
        409: FAILED,
        default: FAILED,
      },
    },
  },
  "/queue": {
    get: {
      ...operation("listQueues", "Lists the names of all queues", "ListQueues"),
      responses: {
        200: answer("The names.", { type: "array", items: { type: "string" } }),
        default: FAILED,
      },
    },
  },
};
