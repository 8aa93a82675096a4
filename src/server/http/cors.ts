import { cors } from "@connectrpc/connect";
import { TRACE_HEADERS } from "../../model/log/trace-context.js";
import { type HttpRequest, type HttpResponse, makeSafe } from "../../rpc/http.js";
import { RequestIds } from "../../rpc/request-ids.js";
import type { RequestHandler } from "./listener.js";

/** How long a browser may cache the answer to a preflight, s: the most that Chromium allows. */
const MAX_AGE_S = 7200;

/** DELETE: of the original's API. */
const METHODS = [...cors.allowedMethods, "DELETE"].join(", ");
const REQUEST_HEADERS = [...cors.allowedHeaders, "Authorization", "X-Request-Id", ...TRACE_HEADERS].join(", ");
const RESPONSE_HEADERS = [...cors.exposedHeaders, "X-Request-Id", "Link", "Retry-After"].join(", ");

/**
 * Lets pages of these origins (`*`: of any) call the server from browsers, over Connect and gRPC-Web. With no origins
 * the handler is returned as it is: browsers then let only pages of this server call it. Credentials are not allowed,
 * as calls carry no cookies.
 */
export function withCors(
  handler: RequestHandler,
  origins: readonly string[],
  requestIds: RequestIds = new RequestIds(),
): RequestHandler {
  if (origins.length === 0) return handler;
  const isAny = origins.includes("*");
  const known = new Set(origins);

  function handle(request: HttpRequest, response: HttpResponse): void {
    const { origin } = request.headers;
    // Caches must not give the answer for one origin to another.
    if (!isAny) response.setHeader("vary", "origin");
    if (origin === undefined) {
      handler.request(request, response);
      return;
    }
    const isAllowed = isAny || known.has(origin);
    if (isAllowed) {
      response.setHeader("access-control-allow-origin", isAny ? "*" : origin);
      response.setHeader("access-control-expose-headers", RESPONSE_HEADERS);
    }
    if (request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined) {
      requestIds.give(request, response);
      answerPreflight(request, response, isAllowed);
    } else handler.request(request, response);
  }

  return {
    request: handle,
    // A stream with an origin comes from a page: it is handled as a request, where the CORS headers are set.
    stream: (stream, headers, rawHeaders) =>
      headers.origin === undefined && handler.stream(stream, headers, rawHeaders),
  };
}

function answerPreflight(request: HttpRequest, response: HttpResponse, isAllowed: boolean): void {
  request.resume();
  makeSafe(response);
  if (!isAllowed) {
    response.statusCode = 403;
    response.setHeader("content-type", "text/plain; charset=utf-8");
    response.end("this origin is not in CORS_ORIGINS\n");
    return;
  }
  response.statusCode = 204;
  response.setHeader("access-control-allow-methods", METHODS);
  response.setHeader("access-control-allow-headers", REQUEST_HEADERS);
  response.setHeader("access-control-max-age", String(MAX_AGE_S));
  response.end();
}
