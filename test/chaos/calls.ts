import { Code, ConnectError } from "@connectrpc/connect";
import { toRefusal } from "../support/rpc.js";

/** A failed call that may be repeated. */
export interface Failure {
  /** The reason of the ErrorInfo, or the code if there is none. */
  readonly name: string;
  /** What is wrong with this failure. Undefined when it may happen while servers and Redis come and go. */
  readonly violation: string | undefined;
}

/** Reasons that a correct server may answer while its backend is away or it drains. */
const EXPECTED = ["BACKEND_UNAVAILABLE", "SERVER_DRAINING"];

/** Judges a failed call. An answer from a server must be UNAVAILABLE; a connection may break in any way. */
export function judge(error: unknown): Failure {
  if (!(error instanceof ConnectError)) throw error;
  const { code, reason, message, retryMs } = toRefusal(error);
  if (reason !== undefined) {
    if (!EXPECTED.includes(reason)) return { name: reason, violation: `answered with ${reason}: ${message}` };
    return { name: reason, violation: retryMs === undefined ? `${reason} came without RetryInfo` : undefined };
  }
  // An unexpected error of a server has no details, and no cause, which a broken connection has.
  const isFault = [Code.Internal, Code.Unknown].includes(error.code) && error.cause === undefined;
  return { name: code, violation: isFault ? `answered with ${code}: ${message}` : undefined };
}
