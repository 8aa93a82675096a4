import { constants } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";

/** Codes of calls that failed with an error of Node, by its code. Others are INTERNAL. `errors.ts` knows what they mean. */
const CODES: Readonly<Record<string, Code>> = {
  ECONNRESET: Code.Aborted,
  ERR_STREAM_DESTROYED: Code.Aborted,
  ERR_STREAM_WRITE_AFTER_END: Code.Aborted,
  ERR_HTTP2_INVALID_STREAM: Code.Aborted,
  EAI_AGAIN: Code.Unavailable,
  ECONNREFUSED: Code.Unavailable,
  ENOTFOUND: Code.Unavailable,
  ETIMEDOUT: Code.Unavailable,
};

/** Codes of calls whose stream was reset, by the code of HTTP/2. A call whose stream ends without one of these has no code by that. */
const RESETS: ReadonlyMap<number, Code> = new Map([
  [constants.NGHTTP2_PROTOCOL_ERROR, Code.Internal],
  [constants.NGHTTP2_INTERNAL_ERROR, Code.Internal],
  [constants.NGHTTP2_FLOW_CONTROL_ERROR, Code.Internal],
  [constants.NGHTTP2_SETTINGS_TIMEOUT, Code.Internal],
  [constants.NGHTTP2_FRAME_SIZE_ERROR, Code.Internal],
  [constants.NGHTTP2_COMPRESSION_ERROR, Code.Internal],
  [constants.NGHTTP2_CONNECT_ERROR, Code.Internal],
  [constants.NGHTTP2_REFUSED_STREAM, Code.Unavailable],
  [constants.NGHTTP2_CANCEL, Code.Canceled],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, Code.ResourceExhausted],
  [constants.NGHTTP2_INADEQUATE_SECURITY, Code.PermissionDenied],
  [constants.NGHTTP2_HTTP_1_1_REQUIRED, Code.PermissionDenied],
]);

/** The error of a call that failed with an error of Node. It is its cause. */
export function failedInNode(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ConnectError(message, codeOf(error), undefined, undefined, error);
}

function codeOf(error: unknown): Code {
  for (let each = error; each instanceof Error; each = each.cause) {
    const found = "code" in each ? CODES[String(each.code)] : undefined;
    if (found !== undefined) return found;
  }
  return Code.Internal;
}

/** The error of a call whose stream was closed before its answer was complete. */
export function closedEarly(rstCode: number | undefined): ConnectError {
  const code = RESETS.get(rstCode ?? constants.NGHTTP2_NO_ERROR) ?? Code.Aborted;
  return new ConnectError(`the stream was closed with the code ${rstCode} before the answer was complete`, code);
}

/** The error of a call whose client was closed: the one that Connect has for it. */
export function closedByClient(): ConnectError {
  return new ConnectError("connection aborted", Code.Canceled);
}

/** The error of a call whose deadline has passed. */
export function timedOut(): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded);
}

/** The error of a call that its caller aborted. */
export function abortedBy(signal: AbortSignal): ConnectError {
  return ConnectError.from(signal.reason, Code.Canceled);
}
