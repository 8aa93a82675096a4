import type { DescFile } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { commentOf } from "./comments.js";
import { ORIGINAL_PATH_ITEMS, ORIGINAL_SCHEMAS, ORIGINAL_TAG } from "./original-paths.js";
import { type PathItem, pathsOf, refTo } from "./rpc-paths.js";
import { createSchemas, type Schema } from "./schemas.js";

const INFO = {
  title: "GoTaskQ",
  version: "v1",
  license: { name: "MIT", identifier: "MIT" },
  description: [
    "A job server. Every call is a POST of JSON, in Connect's protocol; reads may be a GET. The same port speaks gRPC and gRPC-Web.",
    "In requests, fields may be named as in the protos (`max_retries`), enums given by number, and 64-bit integers as numbers; a field " +
      "that does not exist is refused. In answers, names are in camelCase, and zeros are written out. A later version may add fields.",
  ].join("\n\n"),
};

/** The codes of Connect, in the order of their numbers; `codeToHttpStatus` of its library says their statuses. */
const CODES = Object.values(Code)
  .filter((code) => typeof code === "number")
  .map(codeToString);

const CONNECT_ERROR: Schema = {
  type: "object",
  description: "An error of a call.",
  required: ["code"],
  properties: {
    code: { type: "string", enum: CODES },
    message: { type: "string", description: "What is wrong, for people." },
    details: {
      type: "array",
      description:
        "What programs may go by: `google.rpc.ErrorInfo` with a constant `reason`, `google.rpc.BadRequest` with the bad fields, " +
        "`google.rpc.RetryInfo`, and `google.rpc.RequestInfo` with the id of the request.",
      items: {
        type: "object",
        required: ["type", "value"],
        properties: {
          type: { type: "string", description: "The name of the type of the message." },
          value: { type: "string", contentEncoding: "base64", description: "The message in binary, without padding." },
          debug: { description: "The message as JSON." },
        },
      },
    },
  },
};

const PARAMETERS: Readonly<Record<string, Schema>> = {
  Timeout: {
    ...{ name: "Connect-Timeout-Ms", in: "header", description: "How long the caller waits, ms." },
    schema: { type: "integer", minimum: 0 },
  },
  RequestId: {
    ...{
      name: "X-Request-Id",
      in: "header",
      description: "Names the request in the answer, in errors and in the log.",
    },
    schema: { type: "string", minLength: 1, maxLength: 128 },
  },
  Encoding: {
    ...{ name: "encoding", in: "query", required: true, description: "How `message` is written." },
    schema: { type: "string", enum: ["json"] },
  },
  Base64: {
    ...{ name: "base64", in: "query", description: "1: `message` is in base64, with the letters for URLs." },
    schema: { type: "string", enum: ["0", "1"] },
  },
  Compression: {
    ...{ name: "compression", in: "query", description: "How `message` is compressed, before it is put into base64." },
    schema: { type: "string", enum: ["identity", "gzip"] },
  },
  ConnectVersion: {
    ...{ name: "connect", in: "query", description: "The version of Connect's protocol." },
    schema: { type: "string", enum: ["v1"] },
  },
};

const PAGES: Readonly<Record<string, PathItem>> = {
  "/metrics": page("getMetrics", "Metrics of Prometheus", "text/plain", { type: "string" }),
  "/livez": page("getLiveness", "Whether the process lives", "application/json", statusOf("ALIVE")),
  "/readyz": page("getReadiness", "Whether calls are served", "application/json", statusOf("SERVING"), true),
  "/healthz": page("getHealth", "The same as `/readyz`", "application/json", statusOf("SERVING"), true),
};

function statusOf(status: string): Schema {
  return { type: "object", required: ["status"], properties: { status: { const: status } } };
}

function page(operationId: string, summary: string, type: string, schema: Schema, mayFail = false): PathItem {
  const content = { [type]: { schema } };
  const failed = {
    description: "No calls are served now.",
    content: {
      [type]: {
        schema: {
          ...{ type: "object", required: ["status", "reason"] },
          properties: { status: { const: "NOT_SERVING" }, reason: { type: "string" } },
        },
      },
    },
  };
  const responses = { 200: { description: summary, content }, ...(mayFail && { 503: failed }) };
  // The metrics need a token where calls do; the others none.
  const open = operationId === "getMetrics" ? {} : { security: [] };
  return { get: { operationId, tags: ["Pages"], summary, ...open, responses } };
}

function errorOf(description: string, schema: string): Schema {
  return { description, content: { "application/json": { schema: refTo("schemas", schema) } } };
}

/** The OpenAPI document of the services of these protos, and of the other pages of a server. The protos have their comments. */
export function createDocument(files: readonly DescFile[]): Schema {
  const services = files.flatMap((file) => file.services);
  const schemas = createSchemas();
  const paths = Object.assign({}, ...services.map((service) => pathsOf(service, schemas)));
  return {
    openapi: "3.1.0",
    info: INFO,
    // Where the document is, also below a path.
    servers: [{ url: "." }],
    // Where a server asks for no token, none is needed.
    security: [{ token: [] }, {}],
    tags: [
      ...services.map((service) => ({ name: service.name, description: commentOf(service) })),
      ORIGINAL_TAG,
      { name: "Pages", description: "What is no call." },
    ],
    paths: { ...paths, ...ORIGINAL_PATH_ITEMS, ...PAGES },
    components: {
      schemas: { ...schemas.all(), "connect.Error": CONNECT_ERROR, ...ORIGINAL_SCHEMAS },
      parameters: PARAMETERS,
      responses: {
        ConnectError: errorOf("The call failed.", "connect.Error"),
        OriginalError: errorOf("The call failed.", "original.Error"),
      },
      securitySchemes: { token: { type: "http", scheme: "bearer", description: "A token of the server." } },
    },
  };
}
