import { toApiError } from "../api/api-error.js";
import type { CallOptions } from "../api/call-options.js";
import { boundSignal, waitWithin, withinOne } from "../api/deadline.js";
import type { Clock } from "../core/clock.js";
import { TaskQueueError } from "../model/common/errors.js";
import { promised } from "../model/common/promised.js";

/** Calls of the core as callers of a task queue make them: with their options, and with the names of their fields in errors. */
export interface Calls {
  /** Makes a call. Once its time is over or its signal aborted, nobody waits for it any more; it goes on. */
  one<T>(call: () => Promise<T>, options: CallOptions | undefined): Promise<T>;
  /** Makes several calls in the time of one. */
  together<T>(run: (options: CallOptions | undefined) => Promise<T>, options: CallOptions | undefined): Promise<T>;
  /** Reads a stream, which ends with its signal. */
  stream<T>(open: (signal: AbortSignal) => AsyncIterable<T>, options: CallOptions | undefined): AsyncGenerator<T>;
}

/** Creates what makes calls of the core. */
export function createCalls(clock: Pick<Clock, "setTimer">): Calls {
  const setTimer = (ms: number, fire: () => void) => clock.setTimer(ms, fire);
  return {
    one(call, options) {
      return promised(() => {
        if (options?.signal === undefined && options?.timeoutMs === undefined) return call();
        options.signal?.throwIfAborted();
        return waitWithin(call(), options, setTimer);
      }).catch(rethrow);
    },

    together: (run, options) => withinOne(options, run, setTimer),

    async *stream(open, options = {}) {
      options.signal?.throwIfAborted();
      const end = boundSignal(options, setTimer);
      try {
        yield* open(end.signal);
        // The end of the signal ends the stream.
        end.signal.throwIfAborted();
      } catch (error) {
        throw translated(error);
      } finally {
        // Also when the reader leaves the loop: the stream must not stay open.
        end.end();
      }
    },
  };
}

/** An error as callers see it. */
function translated(error: unknown): unknown {
  return error instanceof TaskQueueError ? toApiError(error) : error;
}

function rethrow(error: unknown): never {
  throw translated(error);
}
