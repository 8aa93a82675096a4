import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema } from "../../../gen/google/rpc/error_details_pb.js";

/** Explains an error to the user: what went wrong and, if known, what to do. */
export function explain(error: unknown): string {
  const { code, rawMessage, cause } = ConnectError.from(error);
  if (cause instanceof TypeError || code === Code.DeadlineExceeded) {
    return "The server does not answer. Is it running, and reachable from here?";
  }
  if (code === Code.Unavailable) return `The server cannot do this now: ${rawMessage}`;
  if (code === Code.Unauthenticated) return "The server asks for a token.";
  if (code === Code.PermissionDenied) return `Your token does not allow this: ${rawMessage}`;
  return rawMessage || "The call failed, and the server did not say why.";
}

/** Returns what the server said about each bad field, by the name of the field. */
export function badFields(error: unknown): ReadonlyMap<string, string> {
  const details = ConnectError.from(error).findDetails(BadRequestSchema);
  return new Map(details.flatMap((each) => each.fieldViolations).map(({ field, description }) => [field, description]));
}
