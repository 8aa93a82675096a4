import { errorText } from "../model/common/describe-error.js";
import { TaskQueueError } from "../model/common/errors.js";
import type { SentError } from "./messages.js";

/** What is told of an error to the thread or process of a handler. */
export function toSentError(error: unknown): SentError {
  // The name decides, as the task queue may be of another copy of this package.
  if (!(error instanceof Error && error.name === "TaskQueueError")) return { message: errorText(error) };
  const { message, reason, violations, metadata, retryAfterMs } = error as TaskQueueError;
  return { message, reason, violations, metadata, retryAfterMs };
}

/** The error, where the handler runs. */
export function fromSentError({ message, reason, ...details }: SentError): Error {
  return reason === undefined ? new Error(message) : new TaskQueueError(reason, message, details);
}
