import type { TaskQueueError } from "../model/common/errors.js";

/** What a person may try after an error. `urls`: of the server that was called. */
export function hintsOf({ code, reason }: TaskQueueError, urls: readonly string[]): readonly string[] {
  if (reason === "TOKEN_INVALID") return ["--token, --token-file, GOTASKQ_TOKEN or GOTASKQ_TOKEN_FILE say who calls"];
  // With a reason of its own, a server has answered.
  if (code !== "UNAVAILABLE" || reason !== code) return [];
  return [`is a server at ${urls.join(", ")}? --url or GOTASKQ_URL says where it is`];
}
