import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { Code, ConnectError, createConnectRouter } from "@connectrpc/connect";
import { encodeEnvelope, type UniversalHandler, type UniversalServerRequest } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  createEndStreamSerialization,
  endStreamFlag,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { DlqService } from "../../gen/gotaskq/v1/dlq_service_pb.js";
import { JobService } from "../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../gen/gotaskq/v1/queue_service_pb.js";
import { ServerService } from "../../gen/gotaskq/v1/server_service_pb.js";
import { WorkerService } from "../../gen/gotaskq/v1/worker_service_pb.js";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { Health } from "../../gen/health/v1/health_pb.js";
import type { Engine } from "../core/engine.js";
import { TaskQueueError } from "../core/errors.js";
import type { HealthState } from "../core/health.js";
import { LIMITS } from "../core/limits.js";
import { createDlqService } from "./dlq-service.js";
import { toConnectError } from "./errors.js";
import { createHealthService } from "./health-service.js";
import { createInterceptor, type InterceptorOptions } from "./interceptor.js";
import { createJobService } from "./job-service.js";
import { withParseErrors } from "./parse-errors.js";
import { createQueueService } from "./queue-service.js";
import { createReflectionServices } from "./reflection-service.js";
import { createServerService, type ServerInfo } from "./server-service.js";
import { createWorkerService } from "./worker-service.js";

/** Every service of this server. */
const SERVICES = [
  JobService,
  QueueService,
  DlqService,
  WorkerService,
  ServerService,
  Health,
  ServerReflection,
  ServerReflectionAlpha,
];

/** Nesting of messages: lets a payload of the depth that `LIMITS` allows through, at up to three messages a level. */
const RECURSION_LIMIT = 4 * LIMITS.payloadDepth;

/** Calls in flight beside the streams: each holds some 25 KB from its headers on. */
const MAX_UNARY = 5000;

/** Longest deadline a client may ask for: what Node's timers take. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * A misspelt field, an unknown enum value or bytes that are no UTF-8 must not be passed over in silence; zeros are worth
 * reading.
 */
const JSON_OPTIONS = {
  ignoreUnknownFields: false,
  alwaysEmitImplicit: true,
  recursionLimit: RECURSION_LIMIT,
  textDecoder: new TextDecoder("utf-8", { fatal: true }),
};

/** A request and response of node:http, or of node:http2's compatible interface. */
export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** Settings of the handler. */
export interface RpcHandlerOptions extends InterceptorOptions {
  /** What the health services tell. */
  readonly health: HealthState;
  /** What ServerService tells. */
  readonly info: Omit<ServerInfo, "maxStreams">;
  /** Answers what is no RPC. */
  readonly otherwise: (request: HttpRequest, response: HttpResponse) => void;
}

/** Serves all RPCs over Connect, gRPC and gRPC-Web. */
export function createRpcHandler(
  engine: Engine,
  options: RpcHandlerOptions,
): (request: HttpRequest, response: HttpResponse) => void {
  const router = createConnectRouter({
    interceptors: [createInterceptor(options)],
    acceptCompression: [compressionGzip],
    readMaxBytes: LIMITS.messageBytes,
    maxTimeoutMs: MAX_TIMEOUT_MS,
    jsonOptions: JSON_OPTIONS,
    binaryOptions: { recursionLimit: RECURSION_LIMIT },
  });
  router.service(JobService, createJobService(engine));
  router.service(QueueService, createQueueService(engine));
  router.service(DlqService, createDlqService(engine));
  router.service(WorkerService, createWorkerService(engine));
  const { health, info, maxStreams } = options;
  router.service(ServerService, createServerService(engine, health, { ...info, maxStreams }));
  router.service(Health, createHealthService(health, new Set(SERVICES.map(({ typeName }) => typeName))));
  const reflection = createReflectionServices(SERVICES);
  router.service(ServerReflection, reflection.v1);
  router.service(ServerReflectionAlpha, reflection.v1alpha);
  const handlers = new Map<string, UniversalHandler>(
    router.handlers.map((handler) => [handler.requestPath, withParseErrors(handler)]),
  );
  const services = new Set(router.handlers.map((handler) => handler.service.typeName));

  let inFlight = 0;

  return (request, response) => {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const handler = handlers.get(path);
    if (handler === undefined) {
      if (services.has(path.split("/")[1] ?? ""))
        refuse(new ConnectError(`there is no method ${path}`, Code.Unimplemented), request, response);
      else options.otherwise(request, response);
      return;
    }
    if (inFlight >= options.maxStreams + MAX_UNARY) {
      const error = new TaskQueueError("TOO_MANY_STREAMS", "this server has too many calls in flight", {
        retryAfterMs: 1000,
      });
      refuse(toConnectError(error), request, response);
      return;
    }
    inFlight++;
    response.once("close", () => {
      inFlight--;
    });
    void serve(handler, request, response, options);
  };
}

async function serve(
  handler: UniversalHandler,
  request: HttpRequest,
  response: HttpResponse,
  { logger }: RpcHandlerOptions,
): Promise<void> {
  let universalRequest: UniversalServerRequest;
  try {
    const made = universalRequestFromNodeRequest(request, response as ServerResponse, undefined, undefined);
    universalRequest = { ...made, body: bodyOf(request) };
  } catch {
    // No Host, or one that is no host.
    response.writeHead(400);
    response.end();
    return;
  }
  try {
    await universalResponseToNodeResponse(await handler(universalRequest), response as ServerResponse);
  } catch (error) {
    const { code } = ConnectError.from(error);
    if (code !== Code.Aborted && code !== Code.Canceled) {
      logger.warn({ err: error, path: request.url }, "an answer could not be written");
    }
    // Nothing more will come: without this the client would wait for ever.
    if (!response.writableEnded) response.destroy();
  }
}

/**
 * The body of a request. When it is not read to its end (it is too large, or wrong), the rest is thrown away as it comes:
 * left where it is, it would keep the next requests of its connection waiting for ever.
 */
async function* bodyOf(request: HttpRequest): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk;
  } catch (error) {
    // The client went away in the middle of its request.
    throw new ConnectError("the request was aborted", Code.Canceled, undefined, undefined, error);
  } finally {
    request.resume();
  }
}

const endStream = createEndStreamSerialization(undefined);

/** Answers an error at once, in the protocol of the client, without a look at the request. */
function refuse(error: ConnectError, request: HttpRequest, response: HttpResponse): void {
  const type = request.headers["content-type"] ?? "";
  request.resume();
  if (type.startsWith("application/grpc")) {
    const trailer = new Headers({ "content-type": type });
    setTrailerStatus(trailer, error);
    (response as ServerResponse).writeHead(200, Object.fromEntries(trailer));
    response.end();
    return;
  }
  if (type.startsWith("application/connect+")) {
    const data = endStream.serialize({ metadata: new Headers(), error });
    (response as ServerResponse).writeHead(200, { "content-type": type });
    response.end(encodeEnvelope(endStreamFlag, data));
    return;
  }
  (response as ServerResponse).writeHead(codeToHttpStatus(error.code), { "content-type": "application/json" });
  response.end(errorToJsonBytes(error, undefined));
}
