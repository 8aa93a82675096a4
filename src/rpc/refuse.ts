import type { ServerResponse } from "node:http";
import { Code, type ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  createEndStreamSerialization,
  endStreamFlag,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { addRequestInfo } from "./errors.js";
import { setGrpcStatus } from "./grpc-status.js";
import { type HttpRequest, type HttpResponse, makeSafe } from "./http.js";

const endStream = createEndStreamSerialization(undefined);

/** The header that tells a client of plain HTTP how to say who it is. */
export function challengeOf({ code }: ConnectError): { "www-authenticate"?: string } {
  return code === Code.Unauthenticated ? { "www-authenticate": "Bearer" } : {};
}

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
