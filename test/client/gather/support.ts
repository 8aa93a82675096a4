import type { CallOptions } from "@connectrpc/connect";
import { Gatherer } from "../../../src/client/gather/gatherer.js";
import type { TaskQueueError } from "../../../src/model/common/errors.js";
import { FakeClock } from "../../support/fake-clock.js";

/** What a gatherer asked for. */
export interface AskedCall {
  readonly items: readonly string[];
  readonly options: CallOptions;
  /** Answers each item by itself, or by what is told. */
  answer(answers?: readonly (string | TaskQueueError)[]): void;
  fail(error: unknown): void;
}

/** A gatherer of texts, whose calls a test answers, on a clock that a test moves. */
export function startGatherer() {
  const clock = new FakeClock();
  const asked: AskedCall[] = [];
  const ask = (items: readonly string[], options: CallOptions) =>
    new Promise<readonly (string | TaskQueueError)[]>((resolve, reject) => {
      asked.push({
        ...{ items, options, fail: reject },
        answer: (answers = items.map((item) => `${item}!`)) => resolve(answers),
      });
    });
  const one = async (item: string, options: CallOptions) => (await ask([item], options))[0] as string;
  const gatherer = new Gatherer<string, string>(
    { one, many: ask },
    {
      now: () => clock.monotonic(),
      afterTurn: (run) => queueMicrotask(() => process.nextTick(run)),
      after(ms, run) {
        const timer = clock.setTimer(ms, run);
        return () => timer.cancel();
      },
    },
  );
  const add = (item: string, more: { bytes?: number; timeoutMs?: number; signal?: AbortSignal } = {}) =>
    gatherer.add({ item, bytes: 10, timeoutMs: 30_000, ...more }, undefined);
  return { clock, asked, gatherer, add };
}

/** The turns of the event loop that a call of a gatherer may take to be made, or its answer to come through. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
