import { TaskQueueError } from "../../model/common/errors.js";

/** Codes that say nothing of a single item of a call: the server is away, the caller is unknown, or nobody knows what happened. */
const OF_EVERY_ITEM: ReadonlySet<string> = new Set([
  "UNAVAILABLE",
  "UNAUTHENTICATED",
  "DEADLINE_EXCEEDED",
  "CANCELED",
  "ABORTED",
  "INTERNAL",
  "UNKNOWN",
  "DATA_LOSS",
]);

/** Reasons of RESOURCE_EXHAUSTED that are about calls, not about what is in them. */
const OF_THE_CALL: ReadonlySet<string> = new Set(["TOO_MANY_STREAMS", "TOO_MANY_ATTEMPTS"]);

/**
 * Whether each item of a call that failed would have met this error alone too. Any other error refuses the call, so that nothing of
 * it was done, and may be due to one item.
 */
export function isOfEveryItem({ code, reason }: TaskQueueError): boolean {
  return OF_EVERY_ITEM.has(code) || OF_THE_CALL.has(reason);
}

/** Whether an error says that the server has no call for several items: it is older than that. */
export function isWithoutBatches({ code }: TaskQueueError): boolean {
  return code === "UNIMPLEMENTED";
}

/** The same error once more: of several callers each gets its own, as it may add to it. */
export function copyOf(error: TaskQueueError): TaskQueueError {
  const { reason, message, code, metadata, violations, retryAfterMs, requestId, cause } = error;
  return new TaskQueueError(reason, message, { code, metadata, violations, retryAfterMs, requestId, cause });
}

/** The error of an item that an answer leaves out. */
export function incomplete(): TaskQueueError {
  return new TaskQueueError("INTERNAL", "the server left out an answer");
}
