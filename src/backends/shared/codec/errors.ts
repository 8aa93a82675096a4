import { TaskQueueError } from "../../../model/common/errors.js";

/** Why a call failed, as frames have it; a null reason: a fault of the store, of which the log of its process has more. */
export type WrittenError =
  | readonly [reason: null, message: string]
  | readonly [
      reason: string,
      message: string,
      code: string,
      metadata: TaskQueueError["metadata"],
      violations: TaskQueueError["violations"],
      retryAfterMs: number | null,
    ];

export function writeError(error: unknown): WrittenError {
  if (!(error instanceof TaskQueueError)) return [null, error instanceof Error ? error.message : String(error)];
  const { reason, message, code, metadata, violations, retryAfterMs } = error;
  return [reason, message, code, metadata, violations, retryAfterMs ?? null];
}

export function readError(written: WrittenError): Error {
  if (written[0] === null) return new Error(`the process that keeps the jobs failed: ${written[1]}`);
  const [reason, message, code, metadata, violations, retryAfterMs] = written;
  return new TaskQueueError(reason, message, { code, metadata, violations, retryAfterMs: retryAfterMs ?? undefined });
}
