import { TaskQueueError } from "../../../model/common/errors.js";
import { utf8Length } from "../../../model/common/text.js";
import type { Arg } from "../link/connection.js";
import type { CompletedBytes } from "../queues/completed-bytes.js";
import type { Answer, QueueCalls } from "../queues/queue-calls.js";

/**
 * How much is made free for results when the memory of Redis is full, at the least, bytes: so that not each of them finds it full again.
 */
const FREE_BYTES = 4 * 1024 * 1024;

/** Arguments of COMPLETE for each job; the last is its result. */
const PARTS = 3;

/**
 * Calls COMPLETE. When the memory of Redis is full, the oldest finished jobs of all queues go for the new results; when it is full all
 * the same, as none is left or others take it, results are left out that have no room. `callers`: how many operations share it.
 */
export async function callComplete(
  calls: QueueCalls,
  completed: CompletedBytes,
  queue: string,
  args: readonly Arg[],
  callers: number,
): Promise<Answer> {
  // One for all tries: when the answer of the first is lost, the next ones get it.
  const memo = calls.memos.take(queue);
  try {
    return await calls
      .call("complete", queue, args, { memo, callers })
      .catch(async (error) => {
        if (!isFull(error)) throw error;
        const bytes = resultBytes(args);
        if (bytes > 0) await completed.free(Math.max(bytes, FREE_BYTES));
        return calls.call("complete", queue, args, { memo, callers });
      })
      .catch((error) => {
        if (!isFull(error)) throw error;
        return calls.call("completeFull", queue, args, { memo, callers });
      });
  } finally {
    calls.memos.release(queue, memo);
  }
}

function isFull(error: unknown): boolean {
  return error instanceof TaskQueueError && error.reason === "QUEUE_FULL";
}

function resultBytes(args: readonly Arg[]): number {
  let bytes = 0;
  for (let at = PARTS - 1; at < args.length; at += PARTS) {
    const result = args[at];
    bytes += result instanceof Buffer ? result.length : utf8Length(String(result));
  }
  return bytes;
}
