import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";

/** A request of node:http, or of the compatibility API of node:http2. */
export type HttpRequest = IncomingMessage | Http2ServerRequest;

/** A response of node:http, or of the compatibility API of node:http2. */
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** Headers of a stream, for what stands in between: a proxy that gathers or compresses would hold messages back. */
export const STREAM_HEADERS = { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" } as const;

/** Headers of everything: a browser must take an answer for nothing but what it says it is. */
export const SAFE_HEADERS = { "x-content-type-options": "nosniff" } as const;

/** Sets these headers, for an answer that is not written from one literal. */
export function makeSafe(response: HttpResponse): void {
  for (const [name, value] of Object.entries(SAFE_HEADERS)) response.setHeader(name, value);
}

/** What carries a request: the same object for all requests of a connection. */
export function carrierOf(request: HttpRequest): object {
  return "stream" in request ? (request.stream.session ?? request.stream) : request.socket;
}

/** Ends a call over HTTP/1.1 when its client closes its side of the connection. Over HTTP/2 that ends all streams anyway. */
export function endWithClient(request: HttpRequest, response: HttpResponse): void {
  if ("stream" in request) return;
  const { socket } = request;
  const leave = () => void response.destroy();
  if (socket.readableEnded) leave();
  else {
    socket.once("end", leave);
    response.once("close", () => socket.off("end", leave));
  }
}

/** The path of a request, whose target may be a whole address, as proxies send it. */
export function pathOf({ url = "" }: HttpRequest): string {
  const path = url.split("?", 1)[0] ?? "";
  return path.startsWith("/") ? path : path.replace(/^https?:\/\/[^/]*/i, "") || "/";
}
