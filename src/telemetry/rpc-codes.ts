/** The names of the codes of RPCs, each at its number in gRPC. */
export const RPC_CODES: readonly string[] = [
  "ok",
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
];

const SERVER_FAULTS = new Set([
  "unknown",
  "deadline_exceeded",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
]);

/** Whether the span of a server counts as failed with this code, by OpenTelemetry's conventions. */
export function isServerFault(code: string): boolean {
  return SERVER_FAULTS.has(code);
}
