import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { Http2ServerRequest, Http2ServerResponse, type ServerHttp2Stream } from "node:http2";
import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Engine } from "../core/engine.js";
import { TaskQueueError } from "../model/errors.js";
import { createConnectHandlers } from "./connect-path.js";
import { toConnectError } from "./errors.js";
import type { CallContext } from "./fast/call-context.js";
import { createFastMethod, type FastMethod } from "./fast/fast-method.js";
import { serveFastPath } from "./fast/fast-path.js";
import { Http1Exchange } from "./fast/http1-exchange.js";
import { Http2Exchange } from "./fast/http2-exchange.js";
import type { HttpRequest, HttpResponse } from "./http.js";
import { refuse } from "./refuse.js";
import { createRpcRecorder, type RpcRecorderOptions } from "./rpc-recorder.js";
import type { HealthSource } from "./services/health-service.js";
import type { ServerInfo } from "./services/server-service.js";
import { createServices, type ServiceImplSpec } from "./services/services.js";

/** Most calls in flight beside the open streams: each holds some 25 KB from the moment its headers have come in. */
const MAX_UNARY = 5000;

/** Options of `createRpcHandler`. */
export interface RpcHandlerOptions extends RpcRecorderOptions {
  /** What the health service reports. */
  readonly health: HealthSource;
  /** What ServerService reports. */
  readonly info: Omit<ServerInfo, "maxStreams">;
  /** Serves every request that is not an RPC. */
  readonly otherwise: (request: HttpRequest, response: HttpResponse) => void;
  /**
   * Whether ordinary requests take the fast path. Default true; false is for measuring and for comparing the two paths.
   */
  readonly isFastPathOn?: boolean | undefined;
}

/** The entry point for everything that a port receives. */
export interface RpcHandler {
  /** Serves any request. */
  request(request: HttpRequest, response: HttpResponse): void;
  /**
   * Serves a new HTTP/2 stream if it is an ordinary call. Returns false otherwise: then the caller must pass it to
   * `request`.
   */
  stream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: string[]): boolean;
}

/** Creates the handler that serves all RPCs over Connect, gRPC and gRPC-Web. */
export function createRpcHandler(engine: Engine, options: RpcHandlerOptions): RpcHandler {
  const { health, info, maxStreams, logger, isFastPathOn = true } = options;
  const recorder = createRpcRecorder(options);
  const deps = { recorder, logger };
  const services = createServices(engine, health, { ...info, maxStreams });
  const names = new Set(services.map(({ desc }) => desc.typeName));
  const handlers = createConnectHandlers(services, recorder, logger);
  const methods = isFastPathOn ? createFastMethods(services) : new Map<string, FastMethod>();
  let inFlight = 0;

  function hasRoom(): boolean {
    return inFlight < maxStreams + MAX_UNARY;
  }

  function ended(): void {
    inFlight--;
  }

  return {
    request(request, response) {
      const url = request.url ?? "";
      const path = url.split("?", 1)[0] ?? "";
      const handler = handlers.get(path);
      if (handler === undefined) {
        if (names.has(path.split("/")[1] ?? ""))
          refuse(new ConnectError(`there is no method ${path}`, Code.Unimplemented), request, response);
        else options.otherwise(request, response);
        return;
      }
      if (!hasRoom()) {
        const error = new TaskQueueError("TOO_MANY_STREAMS", "this server has too many calls in flight", {
          retryAfterMs: 1000,
        });
        refuse(toConnectError(error), request, response);
        return;
      }
      inFlight++;
      response.once("close", ended);
      const method = methods.get(url);
      if (method !== undefined && !("stream" in request) && request.method === "POST" && isHost(request.headers.host)) {
        const exchange = new Http1Exchange(request, response as ServerResponse);
        if (serveFastPath(method, exchange, false, deps, (body) => handler(request, response, body))) return;
      }
      handler(request, response, { chunks: [], size: 0, isWhole: false, source: request });
    },

    stream(stream, headers, rawHeaders) {
      const path = headers[":path"];
      const method = typeof path === "string" ? methods.get(path) : undefined;
      const handler = typeof path === "string" ? handlers.get(path) : undefined;
      const isOrdinary = headers[":method"] === "POST" && headers.expect === undefined && isHost(headers[":authority"]);
      if (method === undefined || handler === undefined || !isOrdinary || !hasRoom()) return false;
      const exchange = new Http2Exchange(stream, headers);
      const isTaken = serveFastPath(method, exchange, true, deps, (body) => {
        handler(new Http2ServerRequest(stream, headers, {}, rawHeaders), new Http2ServerResponse(stream), body);
      });
      if (!isTaken) return false;
      inFlight++;
      exchange.onClose(ended);
      return true;
    },
  };
}

function createFastMethods(services: readonly ServiceImplSpec[]): Map<string, FastMethod> {
  const methods = new Map<string, FastMethod>();
  for (const { desc, impl } of services) {
    for (const [localName, method] of Object.entries(desc.method)) {
      const run = impl[localName as keyof typeof impl] as
        | ((input: Message, context: CallContext) => unknown)
        | undefined;
      const fastMethod = run && createFastMethod(method, run.bind(impl));
      if (fastMethod !== undefined) methods.set(`/${fastMethod.name}`, fastMethod);
    }
  }
  return methods;
}

let lastHost: string | undefined;

/** Whether a request names a valid host. Connect refuses it otherwise. */
function isHost(host: string | string[] | undefined): boolean {
  if (host === undefined || typeof host !== "string") return false;
  if (host === lastHost) return true;
  if (!URL.canParse("/", `http://${host}`)) return false;
  lastHost = host;
  return true;
}
