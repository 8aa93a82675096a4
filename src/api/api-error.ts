import { describeViolations, TaskQueueError } from "../model/common/errors.js";

/** Fields that have other names in the protos, and so in what the core refuses: times there are Durations, with no unit in their names. */
const UNITS =
  /"[^"]*"|\b(delay|timeout|ttl|hold|baseDelay|maxDelay|delays|period|completedTtl|deadTtl|defaultTimeout|defaultTtl|every|jitter|minInterval)(?=$|[.[])/g;

/** The path of a field as those who call know it, who give no messages: what is in quotes is a key of theirs and stays. */
function apiField(field: string): string {
  return field
    .replace(/^(?:filter\.|queue\.(?=settings\.|name$)|schedule\.)/, "")
    .replace(UNITS, (part, name?: string) => (name === undefined ? part : `${name}Ms`))
    .replace(/(^|\.)payload(?:Json|Bytes)$/, "$1payload");
}

/**
 * An error with its invalid fields, in camelCase, as the functions of a task queue name them: `timeoutMs`, where the protos have `timeout`.
 * The same error when they have these names already.
 */
export function toApiError(error: TaskQueueError): TaskQueueError {
  const violations = error.violations.map(({ field, description }) => ({ field: apiField(field), description }));
  const message =
    violations.length === 0
      ? error.message
      : describeViolations(violations, Number(error.metadata.more_violations ?? 0));
  if (message === error.message) return error;
  const { reason, code, metadata, retryAfterMs, requestId, cause = error } = error;
  return new TaskQueueError(reason, message, { code, metadata, violations, retryAfterMs, requestId, cause });
}
