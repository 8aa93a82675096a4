import type { ServerResponse } from "node:http";
import type { ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  createEndStreamSerialization,
  endStreamFlag,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { addRequestInfo, challengeOf } from "./errors.js";
import { setGrpcStatus } from "./grpc-status.js";
import { type HttpRequest, type HttpResponse, makeSafe, pathOf } from "./http.js";
import { toErrorAnswer } from "./original/errors.js";
import { matchPaths } from "./original/paths.js";

const endStream = createEndStreamSerialization(undefined);

/** Answers with an error at once, in the client's protocol, without reading the request body. `requestId` is told with it. */
export function refuse(error: ConnectError, request: HttpRequest, response: HttpResponse, requestId: string): void {
  addRequestInfo(error, requestId);
  makeSafe(response);
  const type = request.headers["content-type"]?.toLowerCase() ?? "";
  request.resume();
  if (type.startsWith("application/grpc")) {
    const trailer = new Headers({ "content-type": type });
    setGrpcStatus(trailer, error);
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
  const head = { "content-type": "application/json", ...challengeOf(error) };
  (response as ServerResponse).writeHead(codeToHttpStatus(error.code), head);
  response.end(errorToJsonBytes(error, undefined));
}

/** The same before it is known what the request calls: in the form of the original's API where its path is one of that. */
export function refuseByPath(
  error: ConnectError,
  request: HttpRequest,
  response: HttpResponse,
  requestId: string,
): void {
  if (matchPaths(pathOf(request)).size === 0) {
    refuse(error, request, response, requestId);
    return;
  }
  makeSafe(response);
  request.resume();
  const { status, headers, body } = toErrorAnswer(error);
  (response as ServerResponse).writeHead(status, { "content-type": "application/json", ...headers });
  response.end(body);
}

/** Refuses a method of HTTP that an RPC does not take. */
export function refuseMethod(allowed: readonly string[], request: HttpRequest, response: HttpResponse): void {
  request.resume();
  makeSafe(response);
  const text = request.method === "HEAD" ? "" : `use ${allowed.join(" or ")}\n`;
  const headers = { "content-type": "text/plain; charset=utf-8", "content-length": text.length };
  (response as ServerResponse).writeHead(405, { allow: allowed.join(", "), ...headers });
  response.end(text);
}

/** Refuses a request that does not say which host it is for, or names one that is none. */
export function refuseHost(request: HttpRequest, response: HttpResponse): void {
  request.resume();
  makeSafe(response);
  (response as ServerResponse).writeHead(400, { "content-length": 0 });
  response.end();
}
