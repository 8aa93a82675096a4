import type { OutgoingHttpHeaders } from "node:http2";
import {
  contentTypeStreamProto,
  contentTypeUnaryProto,
  headerTimeout,
  protocolVersion,
  requestHeader,
} from "@connectrpc/connect/protocol-connect";
import type { LeanKind } from "./response.js";

/** Headers as callers of a transport give them. */
type GivenHeaders = NonNullable<ConstructorParameters<typeof Headers>[0]>;

/** Headers of calls that have none of their own, as Connect has them. Written out: the first Headers that a program makes costs 20 ms. */
const PLAIN: Readonly<Record<LeanKind, OutgoingHttpHeaders>> = {
  unary: plain(contentTypeUnaryProto),
  server_streaming: plain(contentTypeStreamProto),
};

function plain(contentType: string): OutgoingHttpHeaders {
  return {
    "connect-protocol-version": protocolVersion,
    "content-type": contentType,
    "user-agent": "connect-es/2.1.2",
  };
}

/** The headers of a call. Throws a TypeError for names and values that no header can have. */
export function requestHeaders(
  kind: LeanKind,
  given: GivenHeaders | undefined,
  timeoutMs: number | undefined,
): OutgoingHttpHeaders {
  const headers = given === undefined ? { ...PLAIN[kind] } : toNode(kind, given);
  if (timeoutMs !== undefined) headers[headerTimeout] = String(timeoutMs);
  return headers;
}

function toNode(kind: LeanKind, given: GivenHeaders): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  requestHeader(kind, true, undefined, given, true).forEach((value, name) => {
    headers[name] = value;
  });
  return headers;
}
