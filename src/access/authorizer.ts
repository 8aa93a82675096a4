import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type { PeerCertificate, TLSSocket } from "node:tls";
import type { Caller } from "./caller.js";

/** A call, as far as an authorizer sees it. */
export interface AuthorizerRequest {
  /** What is called: an RPC, as in `gotaskq.v1.JobService/GetJob`, or `/metrics`. */
  readonly method: string;
  /** Names are in lower case. */
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string | undefined;
  /** The certificate of the client, when it sent one that the server's `TLS_CLIENT_CA` vouches for. */
  readonly certificate: PeerCertificate | undefined;
}

/**
 * Tells who makes a call; undefined: nobody who may, and the call is refused with TOKEN_INVALID. It is asked at each call that no
 * token of the server allows; what is costly it should remember. What it throws, and 10 s without an answer, refuse the call with
 * AUTHORIZER_UNAVAILABLE and are logged.
 */
export type Authorizer = (request: AuthorizerRequest) => Caller | undefined | Promise<Caller | undefined>;

/** Where a call comes from: a request of node:http or node:http2, or the like. */
export interface CallSource {
  readonly headers: IncomingHttpHeaders;
  readonly socket: Socket | TLSSocket | undefined;
}

/** What an authorizer gets of a call. */
export function toAuthorizerRequest(method: string, { headers, socket }: CallSource): AuthorizerRequest {
  return { method, headers, remoteAddress: socket?.remoteAddress, certificate: certificateOf(socket) };
}

function certificateOf(socket: CallSource["socket"]): PeerCertificate | undefined {
  const secure = socket as Partial<TLSSocket> | undefined;
  // Not by `in`: what Node shows as the socket of an HTTP/2 connection answers that for its session.
  if (secure?.getPeerCertificate === undefined || secure.authorized !== true) return undefined;
  const certificate = secure.getPeerCertificate();
  return Object.keys(certificate).length > 0 ? certificate : undefined;
}
