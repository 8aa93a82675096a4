import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";

/** A request of node:http, or of the compatibility API of node:http2. */
export type HttpRequest = IncomingMessage | Http2ServerRequest;

/** A response of node:http, or of the compatibility API of node:http2. */
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** Headers of a stream, for what stands in between: a proxy that gathers or compresses would hold messages back. */
export const STREAM_HEADERS = { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" } as const;

/** What carries a request: the same object for all requests of a connection. */
export function carrierOf(request: HttpRequest): object {
  return "stream" in request ? (request.stream.session ?? request.stream) : request.socket;
}

/** The path of a request, whose target may be a whole address, as proxies send it. */
export function pathOf({ url = "" }: HttpRequest): string {
  const path = url.split("?", 1)[0] ?? "";
  return path.startsWith("/") ? path : path.replace(/^https?:\/\/[^/]*/i, "") || "/";
}
