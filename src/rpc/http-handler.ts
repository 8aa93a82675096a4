import type { IncomingHttpHeaders } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { CallSource } from "../access/authorizer.js";
import type { Admitted } from "../access/caller.js";
import type { Gate } from "../access/gate.js";
import type { Engine } from "../core/engine.js";
import type { EngineView } from "../core/engine-view.js";
import { TaskQueueError } from "../model/common/errors.js";
import { LIMITS } from "../model/common/limits.js";
import { createAdmission } from "./admission.js";
import { type CallRoomOptions, createCallRoom } from "./call-room.js";
import { type ConnectHandler, createConnectHandlers } from "./connect-path.js";
import { connectionOf } from "./connection.js";
import { shorten, toConnectError } from "./errors.js";
import { BodyReader } from "./fast/body-reader.js";
import type { CallContext } from "./fast/call-context.js";
import type { Exchange } from "./fast/exchange.js";
import { createFastMethod, type FastMethod } from "./fast/fast-method.js";
import { serveFastPath, tooManyCalls } from "./fast/fast-path.js";
import { readGetRequest } from "./fast/get-request.js";
import { Http1Exchange } from "./fast/http1-exchange.js";
import { Http2Exchange } from "./fast/http2-exchange.js";
import { Turns } from "./fast/turns.js";
import { wireProtocolOf } from "./fast/wire-protocol.js";
import {
  carrierOf,
  endWithClient,
  type HttpRequest,
  type HttpResponse,
  makeSafe,
  pathOf,
  SAFE_HEADERS,
} from "./http.js";
import type { ErrorAnswer } from "./original/errors.js";
import { createOriginalApi, type OriginalCall } from "./original/original-api.js";
import { refuse, refuseHost, refuseMethod } from "./refuse.js";
import { RequestIds } from "./request-ids.js";
import { createRpcRecorder, type RpcRecorderOptions } from "./rpc-recorder.js";
import { guardServices } from "./services/guarded-services.js";
import type { HealthSource } from "./services/health-service.js";
import type { ServerInfo } from "./services/server-service.js";
import { createOwnServices, createStandardServices, type ServiceImplSpec } from "./services/services.js";
import type { WireOptions } from "./wire-options.js";

/** Most calls that run beside the open streams. */
export const MAX_UNARY = 5000;

/** Default of `maxBodies`. */
const MAX_BODIES = 5000;

/** Most calls on the connect path, which are streams of requests, in all and of one connection. */
const CONNECT_CALLS = { max: 500, maxPerConnection: 100 };

/** Default of `maxBodyBytes`. */
const MAX_BODY_BYTES = 32 * LIMITS.messageBytes;

/** Settings of a handler of any services. */
export interface ServiceHandlerOptions extends RpcRecorderOptions, WireOptions {
  /** Answers what is no RPC. */
  readonly otherwise: (request: HttpRequest, response: HttpResponse) => void;
  /**
   * Whether unary and server-streaming calls take the fast path. Default true. False lets connect serve them, whose
   * decoders know no limit but that of bytes: for measurements and for comparing the paths.
   */
  readonly isFastPathOn?: boolean | undefined;
  /** How long the body of a request may take to arrive, ms. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Calls that one connection may have running. Default: as many as there may be in all. */
  readonly maxCallsPerConnection?: number | undefined;
  /** Calls whose bodies may be coming in at the same time; each holds some 25 KB from its headers on. Default 5,000. */
  readonly maxBodies?: number | undefined;
  /** Bytes that the bodies of all requests under way may have together. Default: 32 messages of the largest size. */
  readonly maxBodyBytes?: number | undefined;
  /** What names requests. */
  readonly requestIds?: RequestIds | undefined;
  /** Decides who may call. Default: everybody may call everything. */
  readonly gate?: Gate | undefined;
  /** Whether the original's API is served too, on the services that it needs. Default false. */
  readonly hasOriginalApi?: boolean | undefined;
}

/** Settings of the handler of this server's services. */
export interface RpcHandlerOptions extends ServiceHandlerOptions {
  /** What the health services tell. */
  readonly health: HealthSource;
  /** What ServerService reports. */
  readonly info: Omit<ServerInfo, "maxStreams">;
}

/** A request of the original's API, or its refusal. */
type Found = OriginalCall | ErrorAnswer;

/** The entry point for everything that a port receives. */
export interface RpcHandler {
  /** Serves any request. */
  request(request: HttpRequest, response: HttpResponse): void;
  /** Serves a new HTTP/2 stream, if it is an ordinary call; otherwise returns false, and `request` must serve it. */
  stream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: string[]): boolean;
}

/** Serves all RPCs of this server. */
export function createRpcHandler(engine: Engine, options: RpcHandlerOptions): RpcHandler {
  const { health, info, maxStreams, gate } = options;
  const create = (view: EngineView) => createOwnServices(view, health, { ...info, maxStreams });
  const own = gate === undefined ? create(engine) : guardServices(engine, gate, create);
  return createServiceHandler([...own, ...createStandardServices(health)], { ...options, hasOriginalApi: true });
}

/** Serves the RPCs of these services over Connect, gRPC and gRPC-Web. */
export function createServiceHandler(services: readonly ServiceImplSpec[], options: ServiceHandlerOptions): RpcHandler {
  const { maxStreams, logger, isFastPathOn = true, hasFaultDetails = true, requestTimeoutMs = 30_000 } = options;
  const { maxBodies = MAX_BODIES, maxBodyBytes = MAX_BODY_BYTES, requestIds = new RequestIds(), gate } = options;
  const recorder = createRpcRecorder(options);
  const bodies = new BodyReader({ timeoutMs: requestTimeoutMs, maxBodies, maxBytes: maxBodyBytes });
  const max = maxStreams + MAX_UNARY;
  const calls: CallRoomOptions = { max, maxPerConnection: options.maxCallsPerConnection ?? max };
  const room = createCallRoom(calls);
  const connectRoom = createCallRoom(isFastPathOn ? CONNECT_CALLS : calls);
  const turns = new Turns();
  const admit = createAdmission(gate, logger);
  const deps = { recorder, logger, bodies, room, turns, hasFaultDetails };
  const names = new Set(services.map(({ desc }) => desc.typeName));
  const handlers = createConnectHandlers(services, recorder, logger, options);
  const allMethods = createFastMethods(services, options);
  const methods = isFastPathOn ? allMethods : new Map<string, FastMethod>();
  const original = options.hasOriginalApi === true ? createOriginalApi(allMethods) : undefined;

  function serveByConnect(
    handler: ConnectHandler,
    caller: Admitted | TaskQueueError,
    request: HttpRequest,
    response: HttpResponse,
  ): void {
    const requestId = requestIds.give(request, response);
    if (caller instanceof TaskQueueError) {
      refuse(toConnectError(caller, "snake_case"), request, response, requestId);
      return;
    }
    if (connectRoom.enter(connectionOf(carrierOf(request)), { onClose: (left) => response.once("close", left) })) {
      makeSafe(response);
      // It knows only of connections that are closed whole.
      endWithClient(request, response);
      handler.serve(request, response, requestId, caller);
      return;
    }
    const error = tooManyCalls();
    logger.warn({ path: pathOf(request), request_id: requestId, reason: error.reason }, `refused: ${error.message}`);
    refuse(toConnectError(error, "snake_case"), request, response, requestId);
  }

  /** Serves what does not take the fast path, where calls take turns by themselves. */
  function inTurn(request: HttpRequest, response: HttpResponse, serve: () => void): void {
    if (turns.isYoung()) serve();
    else {
      turns.soon(connectionOf(carrierOf(request)), () => {
        if (!response.closed && !response.destroyed) serve();
      });
    }
  }

  const isOfService = (path: string): boolean => names.has(path.split("/", 2)[1] ?? "");

  /** What a request calls of the original's API; undefined: it is none of its requests. */
  function findOriginal(verb: string | undefined, target: string, headers: IncomingHttpHeaders): Found | undefined {
    return original === undefined || isOfService(target) ? undefined : original.find(verb, target, headers);
  }

  function serveOriginal(found: Found, exchange: Exchange, source: CallSource): void {
    if ("status" in found) {
      const { status, headers, body } = found;
      bodies.discard(exchange.body, exchange.connection, () => exchange.abandon());
      exchange.answer(status, { "content-type": "application/json", ...SAFE_HEADERS, ...headers }, body);
      return;
    }
    const { method, protocol, get } = found;
    admit(`/${method.name}`, source, (caller) => {
      if (!exchange.isClosed) serveFastPath(method, exchange, protocol, deps, caller, get);
    });
  }

  /** Answers what is no RPC. */
  function serveOther(path: string, request: HttpRequest, response: HttpResponse): void {
    const requestId = requestIds.give(request, response);
    if (!isOfService(path)) {
      options.otherwise(request, response);
      return;
    }
    const error = new ConnectError(shorten(`there is no method ${path}`), Code.Unimplemented);
    refuse(error, request, response, requestId);
  }

  return {
    request(request, response) {
      const path = pathOf(request);
      const handler = handlers.get(path);
      if (handler === undefined) {
        const found = findOriginal(request.method, request.url ?? "", request.headers);
        if (found !== undefined) {
          if (!isHost(request.headers.host ?? request.headers[":authority"])) refuseHost(request, response);
          else serveOriginal(found, new Http1Exchange(request, response, requestIds.find(request, response)), request);
          return;
        }
        inTurn(request, response, () => serveOther(path, request, response));
        return;
      }
      if (!handler.allowedMethods.includes(request.method ?? "")) {
        requestIds.give(request, response);
        refuseMethod(handler.allowedMethods, request, response);
        return;
      }
      const method = methods.get(path);
      const host = request.headers.host ?? request.headers[":authority"];
      if (method !== undefined && !isHost(host)) {
        requestIds.give(request, response);
        refuseHost(request, response);
        return;
      }
      admit(path, request, (caller) => {
        // The client may have left while it was found out who it is.
        if (response.closed || response.destroyed) return;
        const contentType = request.headers["content-type"];
        const isGet = request.method === "GET";
        const get = isGet && isHost(host) ? readGetRequest(request.url ?? "", host, contentType) : undefined;
        const protocol = isGet ? get?.protocol : wireProtocolOf(contentType, method?.isStream === true);
        if (method === undefined || protocol === undefined) {
          inTurn(request, response, () => serveByConnect(handler, caller, request, response));
          return;
        }
        const exchange = new Http1Exchange(request, response, requestIds.find(request, response));
        serveFastPath(method, exchange, protocol, deps, caller, get);
      });
    },

    stream(stream, headers) {
      const path = headers[":path"];
      // What these need is done by the interface that resembles node:http.
      if (typeof path !== "string" || headers.expect !== undefined || headers[":method"] === "HEAD") return false;
      const method = methods.get(path);
      if (method === undefined) {
        const found = isHost(headers[":authority"]) ? findOriginal(methodOf(headers), path, headers) : undefined;
        if (found === undefined) return false;
        const exchange = new Http2Exchange(stream, headers, requestIds.of(headers));
        serveOriginal(found, exchange, exchange);
        return true;
      }
      if (headers[":method"] !== "POST") return false;
      const protocol = wireProtocolOf(headers["content-type"], method.isStream);
      if (protocol === undefined || !isHost(headers[":authority"])) return false;
      const exchange = new Http2Exchange(stream, headers, requestIds.of(headers));
      admit(path, exchange, (caller) => {
        if (!exchange.isClosed) serveFastPath(method, exchange, protocol, deps, caller);
      });
      return true;
    },
  };
}

function createFastMethods(services: readonly ServiceImplSpec[], wire: WireOptions): Map<string, FastMethod> {
  const methods = new Map<string, FastMethod>();
  for (const { desc, impl } of services) {
    for (const [localName, method] of Object.entries(desc.method)) {
      const run = impl[localName as keyof typeof impl] as
        | ((input: Message, context: CallContext) => unknown)
        | undefined;
      const fastMethod = run && createFastMethod(method, run.bind(impl), wire);
      if (fastMethod !== undefined) methods.set(`/${fastMethod.name}`, fastMethod);
    }
  }
  return methods;
}

function methodOf(headers: IncomingHttpHeaders): string | undefined {
  return headers[":method"] as string | undefined;
}

let lastHost: string | undefined;

/** Whether a request names a valid host. Connect refuses it otherwise. */
function isHost(host: string | string[] | undefined): host is string {
  if (host === undefined || typeof host !== "string") return false;
  if (host === lastHost) return true;
  if (!URL.canParse("/", `http://${host}`)) return false;
  lastHost = host;
  return true;
}
