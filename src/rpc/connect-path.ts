import type { ServerResponse } from "node:http";
import { Code, ConnectError, createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { LIMITS } from "../model/limits.js";
import type { Logger } from "../model/logger.js";
import type { Body } from "./fast/body.js";
import type { HttpRequest, HttpResponse } from "./http.js";
import { createInterceptor } from "./interceptor.js";
import { withParseErrors } from "./parse-errors.js";
import type { RpcRecorder } from "./rpc-recorder.js";
import type { ServiceImplSpec } from "./services/services.js";
import { BINARY_OPTIONS, JSON_OPTIONS, MAX_TIMEOUT_MS } from "./wire-options.js";

/** Serves every request to one method. `body` is what was read of it already. */
export type ConnectHandler = (request: HttpRequest, response: HttpResponse, body: Body) => void;

/** Connect's own handlers, by path: they serve all that there is. */
export function createConnectHandlers(
  services: readonly ServiceImplSpec[],
  recorder: RpcRecorder,
  logger: Logger,
): ReadonlyMap<string, ConnectHandler> {
  const router = createConnectRouter({
    interceptors: [createInterceptor(recorder)],
    acceptCompression: [compressionGzip],
    readMaxBytes: LIMITS.messageBytes,
    maxTimeoutMs: MAX_TIMEOUT_MS,
    jsonOptions: JSON_OPTIONS,
    binaryOptions: BINARY_OPTIONS,
  });
  for (const { desc, impl } of services) router.service(desc, impl);
  return new Map(
    router.handlers.map((plain) => {
      const handler = withParseErrors(plain);
      return [plain.requestPath, (...call) => void serve(handler, ...call, logger)];
    }),
  );
}

async function serve(
  handler: UniversalHandler,
  request: HttpRequest,
  response: HttpResponse,
  body: Body,
  logger: Logger,
): Promise<void> {
  let universalRequest: UniversalServerRequest;
  try {
    const made = universalRequestFromNodeRequest(request, response as ServerResponse, undefined, undefined);
    universalRequest = { ...made, body: readRest(body) };
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
async function* readRest({ chunks, isWhole, source }: Body): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
    if (isWhole) return;
    for await (const chunk of source.iterator({ destroyOnReturn: false })) yield chunk;
  } catch (error) {
    // The client went away in the middle of its request.
    throw new ConnectError("the request was aborted", Code.Canceled, undefined, undefined, error);
  } finally {
    source.resume();
  }
}
