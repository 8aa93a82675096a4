import { describe, expect, test } from "vitest";
import type { Change } from "../../../src/core/port/changes.js";
import { afterChange, statesSince } from "../../../src/core/watch/states-since.js";
import type { Job } from "../../../src/model/job/job.js";
import { TRACE } from "../../support/job.js";

const JOB: Job = {
  id: "1",
  queue: "default",
  type: "work",
  payload: '{"n":1}',
  priority: 3,
  maxRetries: 5,
  backoff: { baseDelayMs: 100, maxDelayMs: 5000 },
  timeoutMs: 1000,
  metadata: { a: "b" },
  traceContext: TRACE,
  expiresAt: 99,
  key: "acme",
  status: "RUNNING",
  revision: 5,
  retryCount: 1,
  deliveries: 2,
  lostLeases: 0,
  error: "first",
  progress: undefined,
  cancelRequested: false,
  worker: "pool",
  createdAt: 1,
  updatedAt: 50,
  runAfter: 2,
  startedAt: 40,
  finishedAt: undefined,
  attemptErrors: [],
  resultDropped: false,
  result: undefined,
};

/** A change of the job to a revision, 10 ms after the one before. */
function change(revision: number, given: Partial<Change> = {}): Change {
  const { id, queue, type, priority, retryCount, deliveries, lostLeases, error, worker, startedAt } = JOB;
  return {
    ...{ jobId: id, queue, type, priority, retryCount, deliveries, lostLeases, error, worker, startedAt },
    ...{ status: "RUNNING", revision, updatedAt: revision * 10, runAfter: revision, finishedAt: undefined },
    ...{ progress: undefined, cancelRequested: false, deleted: false },
    ...given,
  };
}

describe("the job after a change", () => {
  test("is known when it runs after the very next change", () => {
    const progress = { percent: 40, message: "on it" };
    expect(afterChange(JOB, change(6, { progress, cancelRequested: true, worker: "other" }))).toEqual({
      ...JOB,
      ...{ revision: 6, updatedAt: 60, runAfter: 6, progress, cancelRequested: true, worker: "other" },
    });
  });

  test.each<[string, Change]>([
    ["a change between is missing", change(7)],
    ["the change was seen already", change(5)],
    ["the change is older", change(4)],
    ["it is gone", change(6, { deleted: true })],
    ["it does not run", change(6, { status: "DONE" })],
  ])("must be read when %s", (_, given) => {
    expect(afterChange(JOB, given)).toBeUndefined();
  });
});

describe("the states since the last one", () => {
  const unfinished = { finishedAt: undefined, result: undefined };
  const list = (changes: readonly Change[], now: Job | undefined, seen = JOB) => [...statesSince(seen, changes, now)];

  test("are those of the changes, each with the times and the worker of its moment, then the job", () => {
    const now: Job = { ...JOB, status: "DONE", revision: 8, finishedAt: 80, updatedAt: 80, result: "1" };
    const states = list([change(6, { worker: "a" }), change(7, { runAfter: 90, startedAt: 70, worker: "b" })], now);
    expect(states).toEqual([
      { ...now, ...{ status: "RUNNING", revision: 6, updatedAt: 60, runAfter: 6, worker: "a" }, ...unfinished },
      {
        ...now,
        ...{ status: "RUNNING", revision: 7, updatedAt: 70, runAfter: 90, worker: "b" },
        ...unfinished,
        startedAt: 70,
      },
      now,
    ]);
  });

  test("are only the job when its own change is the only one, and nothing when that was seen", () => {
    const now: Job = { ...JOB, revision: 6 };
    expect(list([change(6)], now)).toEqual([now]);
    expect(list([change(5)], JOB)).toEqual([]);
    expect(list([], JOB)).toEqual([]);
  });

  test("leave out what came after the job was read", () => {
    const now: Job = { ...JOB, revision: 7 };
    expect(list([change(6), change(7), change(8)], now).map(({ revision }) => revision)).toEqual([6, 7]);
  });

  test("are those of the changes when the job is gone, without its deletion", () => {
    const states = list(
      [change(6), change(7, { status: "DONE", finishedAt: 70 }), change(8, { deleted: true })],
      undefined,
    );
    expect(states.map(({ revision, status, finishedAt }) => [revision, status, finishedAt])).toEqual([
      [6, "RUNNING", undefined],
      [7, "DONE", 70],
    ]);
  });

  test.each<[string, string, string, string]>([
    ["the whole text, when the change has its start", "a long story", "a long", "a long story"],
    ["the whole text, when the change has its start cut in a character", "gr\u00fcn", "gr\ufffd", "gr\u00fcn"],
    ["the text of the change, when the job has another", "a long story", "broken", "broken"],
    ["the text of the change, when the job has all but its last letter", "a long story", "a lone", "a lone"],
    ["the text of the change, cut in a character, when the job has another", "gelb", "gr\ufffd", "gr\ufffd"],
    ["the text of the change, when the job has it at its end", "a long story", "story", "story"],
    ["nothing, when the change has none", "a long story", "", ""],
  ])("have as error %s", (_, whole, cut, expected) => {
    const now: Job = { ...JOB, revision: 7, error: whole };
    expect(list([change(6, { error: cut })], now)[0]?.error).toBe(expected);
  });
});
