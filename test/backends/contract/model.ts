import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MORE } from "../../support/runs.js";
import type { BackendHarness, ContractOptions } from "./harness.js";
import { type Command, runPlan } from "./model-commands.js";
import { compareListings, compareLog, compareQueues } from "./model-compare.js";
import { startRun } from "./model-run.js";
import { compareSchedules, SCHEDULE_SITUATIONS } from "./model-schedules.js";
import { NaiveModel } from "./naive-model.js";

/** Situations that must occur in the runs, all together, for the comparison to mean anything. */
const MUST_REACH = [
  ...["created", "deduplicated", "reordered", "clock set back", "clock set ahead"],
  ...["complete APPLIED DONE", "complete ALREADY_APPLIED", "complete LEASE_LOST", "complete CANCELED"],
  ...["fail APPLIED PENDING", "fail APPLIED DEAD", "fail CANCELED CANCELED", "fail LEASE_LOST"],
  ...["release APPLIED PENDING", "release APPLIED DEAD", "release CANCELED CANCELED", "release LEASE_LOST"],
  ...["extend OK", "extend LEASE_LOST", "extend CANCEL_REQUESTED"],
  ...["lost PENDING", "lost DEAD", "lost CANCELED"],
  ...["replay APPLIED", "replay CONFLICT", "replay NOT_FOUND"],
  ...["remove APPLIED", "remove CONFLICT", "remove NOT_FOUND"],
  ...["forgotten DONE", "forgotten CANCELED", "forgotten DEAD"],
  ...["KEPT", "REPLACED", "JOB_EXISTS", "replay KEY_HELD", "kept by a hold"],
  ...["held back by a rate", "behind a rate"],
  ...["expired", "run a ready job", "run a waiting job", "updated in its place", "updated to another time"],
  ...["act CANCEL 0", "act CANCEL 1", "act DELETE 0", "act DELETE 1", "act REPLAY 0", "act REPLAY 1"],
  ...SCHEDULE_SITUATIONS,
  ...["QUEUE_FULL", "REQUEST_ID_REUSED", "QUEUE_NOT_FOUND", "QUEUE_NOT_EMPTY", "JOB_NOT_FOUND", "JOB_STATE_CONFLICT"],
  ...["leased beside a full key", "turns before priority"],
];

/** Runs that reach all of these situations. A slower store makes fewer of them, and four times as many in `npm run test:long`. */
export const ALL_RUNS = 250;

/** Compares random sequences of operations with the naive model step by step. A failure prints its seed. */
export function describeModel(harness: BackendHarness, runs = ALL_RUNS): void {
  const numRuns = runs * MORE;
  describe("any sequence of operations", () => {
    test("answers and leaves behind what the naive model does", { timeout: 60_000 * MORE }, async () => {
      const reached = new Set<string>();
      await fc.assert(
        fc.asyncProperty(runPlan, async ({ commands, maxCompletedJobs, maxCompletedBytes, watchFigures }) => {
          const options = {
            maxLostLeases: 1,
            completeJobTtlMs: 20_000,
            maxCompletedJobs,
            changeLogSize: 10_000,
            maxCompletedBytes,
          };
          await compareRun(harness, options, commands, watchFigures, reached);
        }),
        // A machine that is busy makes fewer runs; at least one.
        { numRuns, interruptAfterTimeLimit: 40_000 * MORE },
      );
      if (numRuns >= ALL_RUNS) expect(MUST_REACH.filter((each) => !reached.has(each))).toEqual([]);
    });
  });
}

async function compareRun(
  harness: BackendHarness,
  options: ContractOptions,
  commands: readonly Command[],
  watchFigures: boolean,
  reached: Set<string>,
): Promise<void> {
  const opened = await harness.open(options);
  try {
    const { backend } = opened;
    const model = new NaiveModel(options);
    const start = await backend.head();
    const run = await startRun(opened, model, reached);
    for (const command of commands) {
      await run.step(command);
      if (watchFigures) await compareQueues(opened, model);
    }
    await compareQueues(opened, model);
    await compareListings(opened, model);
    await compareSchedules(opened, model);
    await compareLog(opened, model, start);
  } finally {
    await opened.close();
  }
}
