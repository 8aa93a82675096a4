import type { IncomingHttpHeaders } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import type { HttpRequest, HttpResponse } from "../../rpc/http.js";
import { pathOf } from "../../rpc/http.js";
import { refuseByPath } from "../../rpc/refuse.js";
import type { RequestIds } from "../../rpc/request-ids.js";
import { isLoopback } from "../config/loopback.js";
import { isHealth } from "../http/host-check.js";
import type { RequestHandler } from "../http/listener.js";

const PROBLEM =
  "without a token only programs of this machine may call: set AUTH_TOKENS, or AUTH=none to let everybody who reaches this server";

/**
 * Refuses requests that did not come from this machine, or that a proxy on it passed on for somebody elsewhere. A server of its own
 * listens on loopback while it asks for no token; where the one around a mounted handler listens is not known before a request comes.
 */
export function onlyLocal(handler: RequestHandler, requestIds: RequestIds): RequestHandler {
  return {
    ...handler,
    request(request: HttpRequest, response: HttpResponse) {
      const isLocal = isFromHere(request) && forwardedFor(request.headers).every(isLoopback);
      if (isLocal || isHealth(pathOf(request))) handler.request(request, response);
      else {
        refuseByPath(
          new ConnectError(PROBLEM, Code.PermissionDenied),
          request,
          response,
          requestIds.give(request, response),
        );
      }
    },
  };
}

/**
 * Whether the other end of the connection is on this machine. A socket of its file system has no addresses. One whose client has reset the
 * connection tells no remote address either: what came before the reset is read all the same, and must not count as local.
 */
function isFromHere({ socket }: HttpRequest): boolean {
  const { remoteAddress, localAddress, destroyed } = socket;
  if (remoteAddress !== undefined) return isLoopback(remoteAddress);
  return localAddress === undefined && !destroyed && !("encrypted" in socket);
}

/** The addresses for which proxies say that they pass a request on. */
function forwardedFor({ forwarded, ...headers }: IncomingHttpHeaders): string[] {
  const lists = [headers["x-forwarded-for"], headers["x-real-ip"]].flatMap((each) => each ?? []);
  const named = [...(forwarded ?? "").matchAll(/\bfor=("[^"]*"|[^;,\s]*)/gi)].map(([, address]) => address ?? "");
  return [...lists.flatMap((list) => list.split(",")), ...named].map(bareAddress);
}

/** An address without what may stand around it: quotes, brackets, a port. */
function bareAddress(text: string): string {
  const address = text.trim().replaceAll('"', "");
  return /^\[([^\]]*)\](?::\d+)?$/.exec(address)?.[1] ?? address.replace(/^([^:]*):\d+$/, "$1");
}
