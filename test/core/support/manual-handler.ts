import type { AttemptAborted, HandlerContext, HandlerJob } from "../../../src/model/handler/handler.js";
import { settle } from "../../support/fake-clock.js";
import { deferred } from "./async.js";

/** One run of a manual handler. */
export interface Run {
  readonly job: HandlerJob;
  readonly context: HandlerContext;
  /** Lets the handler return, and lets everything happen that follows. */
  returns(value?: unknown): Promise<void>;
  /** Lets the handler throw, and lets everything happen that follows. */
  throws(error: unknown): Promise<void>;
}

/** A handler whose runs end when the test says so, and not when they are aborted. */
export class ManualHandler {
  readonly runs: Run[] = [];

  readonly handler = (job: HandlerJob, context: HandlerContext): Promise<unknown> => {
    const end = deferred<unknown>();
    this.runs.push({
      job,
      context,
      async returns(value) {
        end.resolve(value);
        await settle();
      },
      async throws(error) {
        end.reject(error);
        await settle();
      },
    });
    return end.promise;
  };

  /** The n-th run, from 0; fails when there was none. */
  run(index = 0): Run {
    const run = this.runs[index];
    if (run === undefined) throw new Error(`there were only ${this.runs.length} runs`);
    return run;
  }
}

/** A handler that runs until it is aborted and then throws the reason. */
export function untilAborted(_job: HandlerJob, { signal }: HandlerContext): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

/** Why a run was aborted; undefined when it was not. */
export function abortReason({ context }: Run): string | undefined {
  return context.signal.aborted ? (context.signal.reason as AttemptAborted).reason : undefined;
}
