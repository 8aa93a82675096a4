import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { Code, ConnectError, createConnectRouter, createContextValues } from "@connectrpc/connect";
import {
  createAsyncIterable,
  type UniversalHandler,
  type UniversalServerRequest,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { parseTimeout } from "@connectrpc/connect/protocol-grpc";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { Admitted } from "../access/caller.js";
import { LIMITS } from "../model/common/limits.js";
import type { Logger } from "../model/log/logger.js";
import { MAX_TIMER_MS } from "../model/process/long-timer.js";
import { connectionOf, countBody } from "./connection.js";
import { rightsEnded } from "./fast/call-context.js";
import { carrierOf, type HttpRequest, type HttpResponse, pathOf } from "./http.js";
import { createInterceptor } from "./interceptor.js";
import { withParseErrors } from "./parse-errors.js";
import { CALL_ORIGIN, type CallOrigin } from "./rpc-call.js";
import type { RpcRecorder } from "./rpc-recorder.js";
import type { ServiceImplSpec } from "./services/services.js";
import { BINARY_OPTIONS, JSON_OPTIONS, type WireOptions } from "./wire-options.js";

/** Serves the requests to one RPC. */
export interface ConnectHandler {
  /** Methods of HTTP that it takes. */
  readonly allowedMethods: readonly string[];
  serve(request: HttpRequest, response: HttpResponse, requestId: string, caller: Admitted): void;
}

/**
 * Connect's own handlers, by path. They serve what the fast path does not: streams of requests (reflection),
 * whose messages are kept small, as connect's decoders know no limit but that of bytes.
 */
export function createConnectHandlers(
  services: readonly ServiceImplSpec[],
  recorder: RpcRecorder,
  logger: Logger,
  { readMaxBytes = LIMITS.messageBytes, registry, hasFaultDetails = true, hasRequestInfo = true }: WireOptions,
): ReadonlyMap<string, ConnectHandler> {
  const router = createConnectRouter({
    interceptors: [createInterceptor(recorder)],
    acceptCompression: [compressionGzip],
    readMaxBytes,
    maxTimeoutMs: MAX_TIMER_MS,
    jsonOptions: { ...JSON_OPTIONS, ...(registry && { registry }) },
    binaryOptions: BINARY_OPTIONS,
  });
  for (const { desc, impl, readMaxBytes: ownMaxBytes } of services) {
    router.service(desc, impl, ownMaxBytes === undefined ? {} : { readMaxBytes: ownMaxBytes });
  }
  return new Map(
    router.handlers.map((plain) => {
      const handler = withParseErrors(plain, { hasFaultDetails, hasRequestInfo });
      const serveOne: ConnectHandler["serve"] = (request, response, requestId, caller) => {
        const origin = { requestId, remoteAddress: request.socket.remoteAddress, caller };
        void serve(handler, request, response, origin, logger);
      };
      return [plain.requestPath, { allowedMethods: plain.allowedMethods, serve: serveOne }];
    }),
  );
}

async function serve(
  handler: UniversalHandler,
  request: HttpRequest,
  response: HttpResponse,
  origin: CallOrigin,
  logger: Logger,
): Promise<void> {
  let universalRequest: UniversalServerRequest;
  try {
    const values = createContextValues().set(CALL_ORIGIN, origin);
    const made = universalRequestFromNodeRequest(request, response as ServerResponse, undefined, values);
    clampTimeout(made.header);
    const signal = AbortSignal.any([made.signal, whileEntitled(origin.caller, response)]);
    universalRequest = { ...made, signal, body: readAll(request) };
  } catch {
    // The Host header is missing or is not a valid host.
    response.writeHead(400);
    response.end();
    return;
  }
  try {
    const answer = withHint(await handler(universalRequest), handler.method.methodKind === "unary");
    await universalResponseToNodeResponse(answer, response as ServerResponse);
  } catch (error) {
    const { code } = ConnectError.from(error);
    if (code !== Code.Aborted && code !== Code.Canceled) {
      logger.warn(
        { err: error, path: pathOf(request), request_id: origin.requestId },
        "an answer could not be written",
      );
    }
    // Nothing more will be written: without this the client would wait for ever.
    if (!response.writableEnded) response.destroy();
  }
}

/** Connect refuses a type of content without a word: whoever forgot it is told. */
function withHint(answer: UniversalServerResponse, isUnary: boolean): UniversalServerResponse {
  if (answer.status !== 415 || answer.body !== undefined) return answer;
  const type = isUnary ? "application/json" : "application/connect+json";
  const text = `the content-type must be ${type}, or another one of Connect, gRPC or gRPC-Web\n`;
  const header = new Headers(answer.header);
  header.set("content-type", "text/plain; charset=utf-8");
  return { ...answer, header, body: createAsyncIterable([new TextEncoder().encode(text)]) };
}

/** A signal that is aborted when the rights of a caller end before its call does. */
function whileEntitled(caller: Admitted, response: HttpResponse): AbortSignal {
  const controller = new AbortController();
  response.once(
    "close",
    caller.whenEnded(() => controller.abort(rightsEnded())),
  );
  return controller.signal;
}

/** A deadline further away than Connect's timer can be is as good as none. */
function clampTimeout(header: Headers): void {
  const { timeoutMs } = parseTimeout(header.get("grpc-timeout"), Number.MAX_SAFE_INTEGER);
  if (timeoutMs !== undefined && timeoutMs > MAX_TIMER_MS) header.delete("grpc-timeout");
  const connectMs = header.get("connect-timeout-ms") ?? "";
  // More digits are no deadline to Connect.
  if (/^\d{1,10}$/.test(connectMs) && Number(connectMs) > MAX_TIMER_MS) header.delete("connect-timeout-ms");
}

/**
 * The body of a request. When it is not read to its end (it is too large, or wrong), the rest is thrown away as it comes:
 * left where it is, it would keep the next requests of its connection waiting forever.
 */
async function* readAll(source: HttpRequest): AsyncGenerator<Uint8Array> {
  const connection = connectionOf(carrierOf(source));
  try {
    for await (const chunk of (source as Readable).iterator({ destroyOnReturn: false })) {
      countBody(connection, chunk.byteLength);
      yield chunk;
    }
  } catch (error) {
    // The client went away before it had sent its whole request.
    throw new ConnectError("the request was aborted", Code.Canceled, undefined, undefined, error);
  } finally {
    source.resume();
  }
}
