import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema } from "../../../gen/google/rpc/error_details_pb.js";

/** What a proxy says when it does not reach the server. */
const UNREACHED = /^HTTP 50[234]$/;

/** What is said of an answer that no GoTaskQ server gives: a page of a proxy, or a file of another site. */
const FOREIGN = /^(HTTP \d{3}$|unsupported content type)/;

/** Whether the server was not reached or did not answer, as opposed to answering with an error. */
export function isAway({ code, rawMessage, cause }: ConnectError): boolean {
  // Browsers have but one error for all that keeps `fetch` from an answer: a TypeError.
  return (
    code === Code.Canceled ||
    code === Code.DeadlineExceeded ||
    cause instanceof TypeError ||
    UNREACHED.test(rawMessage) ||
    isCutShort(cause)
  );
}

/** Whether a stream ended without its last message: the call library throws a plain text then. */
function isCutShort(cause: unknown): boolean {
  return typeof cause === "string";
}

/** What an error means, for a person: what went wrong and, where it is known, what to do. */
export function explain(error: unknown): string {
  const { code, rawMessage, cause } = ConnectError.from(error);
  if (code === Code.DeadlineExceeded) return "The server did not answer in time.";
  // Also what browsers call an AbortError, whose own words mean nothing to people.
  if (code === Code.Canceled || isCutShort(cause)) return "The connection was cut.";
  if (cause instanceof TypeError) return "The server does not answer. Is it running, and reachable from here?";
  if (code === Code.Unauthenticated) return "The server asks for a token.";
  if (FOREIGN.test(rawMessage)) return `Something else answered in place of the server: ${rawMessage}.`;
  if (code === Code.Unavailable) return `The server cannot do this now: ${rawMessage}`;
  if (code === Code.PermissionDenied) return `Your token does not allow this: ${rawMessage}`;
  return rawMessage || "The call failed, and the server did not say why.";
}

/** Returns what the server said about each bad field, by the name of the field. */
export function badFields(error: unknown): ReadonlyMap<string, string> {
  const details = ConnectError.from(error).findDetails(BadRequestSchema);
  return new Map(details.flatMap((each) => each.fieldViolations).map(({ field, description }) => [field, description]));
}
