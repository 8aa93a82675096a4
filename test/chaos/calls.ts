import { Code, ConnectError } from "@connectrpc/connect";
import { toRefusal } from "../support/rpc.js";

/** How a call failed that may be made again. */
export interface Failure {
  /** The reason of the ErrorInfo, or else the code. */
  readonly name: string;
  /** Undefined when this may happen while servers and Redis come and go. */
  readonly violation: string | undefined;
}

/** What a server in order may answer while its backend is away or it ends. */
const EXPECTED = ["BACKEND_UNAVAILABLE", "SERVER_DRAINING"];

/** Judges a failed call: an answer of a server must be UNAVAILABLE; a connection may break in any way. */
export function judge(error: unknown): Failure {
  if (!(error instanceof ConnectError)) throw error;
  const { code, reason, message, retryMs } = toRefusal(error);
  if (reason !== undefined) {
    if (!EXPECTED.includes(reason)) return { name: reason, violation: `answered with ${reason}: ${message}` };
    return { name: reason, violation: retryMs === undefined ? `${reason} came without RetryInfo` : undefined };
  }
  // A server's own fault comes without details, and without the cause that a broken connection has.
  const isFault = [Code.Internal, Code.Unknown].includes(error.code) && error.cause === undefined;
  return { name: code, violation: isFault ? `answered with ${code}: ${message}` : undefined };
}
