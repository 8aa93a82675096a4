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
 * Refuses requests that did not come from this machine. A server of its own listens on loopback while it asks for no token; where the one
 * around a mounted handler listens is not known before a request comes.
 */
export function onlyLocal(handler: RequestHandler, requestIds: RequestIds): RequestHandler {
  return {
    ...handler,
    request(request: HttpRequest, response: HttpResponse) {
      const { remoteAddress } = request.socket;
      // Unknown for a socket of this machine's file system.
      const isLocal = remoteAddress === undefined || isLoopback(remoteAddress);
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
