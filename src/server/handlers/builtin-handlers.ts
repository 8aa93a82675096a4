import type { Clock } from "../../core/clock.js";
import type { HandlerContext, Handlers } from "../../model/handler/handler.js";

/** How long the `logger` handler takes, ms. */
const LOGGER_MS = 500;

/**
 * The handlers of a server without HANDLERS. With them one can try success, failure, retries and long runs.
 *
 * - `logger` logs its payload and takes 500 ms.
 * - `echo` returns its payload.
 * - `sleep` runs for `n` ms, given the payload `{"ms": n}`.
 * - `fail` throws the message of `{"message": text}`. With `{"times": n}` it fails n times and then succeeds.
 */
export function createBuiltinHandlers(clock: Clock): Handlers {
  function sleep(ms: number, { signal }: HandlerContext): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        timer.cancel();
        reject(signal.reason);
      };
      const timer = clock.setTimer(ms, () => {
        signal.removeEventListener("abort", abort);
        resolve();
      });
      signal.addEventListener("abort", abort);
      if (signal.aborted) abort();
    });
  }

  return {
    async logger(job, context) {
      context.logger.info({ payload: job.payload }, "job");
      await sleep(LOGGER_MS, context);
    },
    echo: (job) => job.payload,
    async sleep(job, context) {
      const ms = Number(job.payload?.ms ?? 0);
      if (!(ms >= 0)) throw new Error('the payload of sleep must be {"ms": number}');
      await sleep(ms, context);
    },
    fail(job) {
      const { message = "failed as asked", times } = job.payload ?? {};
      if (times !== undefined && job.retryCount >= Number(times)) return { failures: job.retryCount };
      throw new Error(String(message));
    },
  };
}
