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

/** Serves every request to one method. `body` holds what has been read of the request body already. */
export type ConnectHandler = (request: HttpRequest, response: HttpResponse, body: Body) => void;

/** Returns connect's own handlers by request path. They serve every request that a method can get. */
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
    // The Host header is missing or is not a valid host.
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
    // Nothing more will be written: without this the client would wait for ever.
    if (!response.writableEnded) response.destroy();
  }
}

/**
 * Yields the chunks of a request body. When connect does not read it to its end (it is too large or malformed), the
 * rest is read and discarded: left unread, it would block the next requests on the same connection.
 */
async function* readRest({ chunks, isWhole, source }: Body): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
    if (isWhole) return;
    for await (const chunk of source.iterator({ destroyOnReturn: false })) yield chunk;
  } catch (error) {
    // The client went away before it had sent its whole request.
    throw new ConnectError("the request was aborted", Code.Canceled, undefined, undefined, error);
  } finally {
    source.resume();
  }
}
