import type { IncomingHttpHeaders } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import { shorten } from "../../rpc/errors.js";
import { type HttpRequest, type HttpResponse, pathOf } from "../../rpc/http.js";
import { refuseByPath } from "../../rpc/refuse.js";
import type { RequestIds } from "../../rpc/request-ids.js";
import { hostNameOf, matchesHost } from "./host-name.js";
import type { RequestHandler } from "./listener.js";

/** Names by which programs and browsers of this machine call it. */
const OWN_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/** Probes name whatever host they were told to; what they learn is no secret. */
const HEALTH_PATHS: ReadonlySet<string> = new Set(["/livez", "/readyz", "/healthz"]);
const HEALTH_SERVICE = "/grpc.health.v1.Health/";

/** The methods of HTTP that do more than read. */
const CHANGES: ReadonlySet<string | undefined> = new Set(["POST", "DELETE"]);

/** Settings of the check. */
export interface HostCheckOptions {
  /** HOST: where the server listens. */
  readonly host: string;
  /** ALLOWED_HOSTS: more names by which it may be called; see `matchesHost`. */
  readonly allowedHosts: readonly string[];
  /** CORS_ORIGINS: pages of other origins that may call. */
  readonly corsOrigins: readonly string[];
  readonly requestIds: RequestIds;
}

/**
 * Refuses requests that call the server by a name it does not have, and those of pages that are not its own and do more than read. Nothing else
 * keeps a page of any web site from calling a server on this machine that asks for no token: the site needs only let its own
 * name lead here (DNS rebinding), and the browser takes the server for a part of the site.
 */
export function withHostCheck(handler: RequestHandler, options: HostCheckOptions): RequestHandler {
  const { allowedHosts, corsOrigins, requestIds } = options;
  const named = options.host.includes(":") ? `[${options.host}]` : options.host;
  const hosts = [...OWN_NAMES, named.toLowerCase(), ...allowedHosts];
  const isAnyOrigin = corsOrigins.includes("*");
  /** The last that were found to be good: nearly all requests name the same ones. */
  let goodHost: string | undefined;
  let goodOrigin: string | undefined;
  let goodOriginHost: string | undefined;

  function isGoodHost(host: string): boolean {
    if (host === goodHost) return true;
    const name = hostNameOf(host);
    if (name === undefined || !hosts.some((allowed) => matchesHost(name, allowed))) return false;
    goodHost = host;
    return true;
  }

  function isGoodOrigin(origin: string, host: string): boolean {
    if (origin === goodOrigin && host === goodOriginHost) return true;
    if (!isAnyOrigin && !corsOrigins.includes(origin) && !isOwnOrigin(origin, host, allowedHosts)) return false;
    goodOrigin = origin;
    goodOriginHost = host;
    return true;
  }

  /** What is wrong with a request; undefined when nothing is. A request without a host comes from no browser. */
  function fault(headers: IncomingHttpHeaders, method: string | undefined, target?: string): string | undefined {
    const authority = headers[":authority"] as string | undefined;
    for (const host of [authority, headers.host, target]) {
      if (host !== undefined && !isGoodHost(host)) {
        return `this server is not called ${shorten(JSON.stringify(host))}: put the name into ALLOWED_HOSTS, or use tokens`;
      }
    }
    const { origin } = headers;
    const host = authority ?? headers.host;
    if (origin === undefined || !CHANGES.has(method) || isGoodOrigin(origin, host ?? "")) return undefined;
    return `pages of ${shorten(JSON.stringify(origin))} may not call this server: put the origin into CORS_ORIGINS, or its name into ALLOWED_HOSTS when a proxy serves this server under it`;
  }

  return {
    request(request, response) {
      const problem = fault(request.headers, request.method, authorityOf(request));
      if (problem === undefined || isHealth(pathOf(request))) handler.request(request, response);
      else refuseRequest(problem, request, response, requestIds);
    },

    stream(stream, headers, rawHeaders) {
      const isGood = headers[":authority"] === goodHost && headers.origin === undefined && headers.host === undefined;
      if (!isGood && fault(headers, "POST") !== undefined) return false;
      return handler.stream(stream, headers, rawHeaders);
    },
  };
}

/** Whether a path is one of those that anybody may ask. */
export function isHealth(path: string): boolean {
  return HEALTH_PATHS.has(path) || path.startsWith(HEALTH_SERVICE);
}

/** The host in a target that is a whole address, as proxies send it. */
function authorityOf({ url = "/" }: HttpRequest): string | undefined {
  return url.startsWith("/") ? undefined : /^https?:\/\/([^/?#]*)/i.exec(url)?.[1];
}

/** Whether a page comes from this server: by the very name of the request, or by one that a proxy gives it. */
function isOwnOrigin(origin: string, host: string, allowedHosts: readonly string[]): boolean {
  const scheme = /^https?:\/\//.exec(origin)?.[0];
  if (scheme === undefined || !URL.canParse(origin) || !URL.canParse(scheme + host)) return false;
  const page = new URL(origin);
  if (page.host === new URL(scheme + host).host) return true;
  return allowedHosts.some((allowed) => matchesHost(page.hostname, allowed));
}

function refuseRequest(problem: string, request: HttpRequest, response: HttpResponse, requestIds: RequestIds): void {
  const requestId = requestIds.give(request, response);
  refuseByPath(new ConnectError(problem, Code.PermissionDenied), request, response, requestId);
}
