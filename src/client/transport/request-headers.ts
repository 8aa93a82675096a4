import type { OutgoingHttpHeaders } from "node:http2";
import { headerTimeout, requestHeader } from "@connectrpc/connect/protocol-connect";
import type { LeanKind } from "./response.js";

/** Headers as callers of a transport give them. */
type GivenHeaders = NonNullable<ConstructorParameters<typeof Headers>[0]>;

/** Headers of calls that have none of their own. */
const PLAIN: Readonly<Record<LeanKind, OutgoingHttpHeaders>> = {
  unary: toNode("unary", undefined),
  server_streaming: toNode("server_streaming", undefined),
};

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

function toNode(kind: LeanKind, given: GivenHeaders | undefined): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  requestHeader(kind, true, undefined, given, true).forEach((value, name) => {
    headers[name] = value;
  });
  return headers;
}
