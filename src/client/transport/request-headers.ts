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

const known: Readonly<Record<LeanKind, WeakMap<object, OutgoingHttpHeaders>>> = {
  unary: new WeakMap(),
  server_streaming: new WeakMap(),
};

/** The headers of a call. Throws a TypeError for names and values that no header can have. */
export function requestHeaders(
  kind: LeanKind,
  given: GivenHeaders | undefined,
  timeoutMs: number | undefined,
): OutgoingHttpHeaders {
  const headers = { ...(given === undefined ? PLAIN[kind] : givenHeaders(kind, given)) };
  if (timeoutMs !== undefined) headers[headerTimeout] = String(timeoutMs);
  return headers;
}

/** Headers that cannot change any more are converted once. */
function givenHeaders(kind: LeanKind, given: GivenHeaders): OutgoingHttpHeaders {
  if (!Object.isFrozen(given)) return toNode(kind, given);
  let headers = known[kind].get(given);
  if (headers === undefined) {
    headers = toNode(kind, given);
    known[kind].set(given, headers);
  }
  return headers;
}

function toNode(kind: LeanKind, given: GivenHeaders | undefined): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  requestHeader(kind, true, undefined, given, true).forEach((value, name) => {
    headers[name] = value;
  });
  return headers;
}
