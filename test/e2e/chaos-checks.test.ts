import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { type Job, JobStatus, UniqueUntil } from "../../gen/gotaskq/v1/job_pb.js";
import type { Schedule } from "../../gen/gotaskq/v1/schedule_service_pb.js";
import { checkLimits, type LimitChange } from "../chaos/limits.js";
import { verifySchedules } from "../chaos/schedules.js";
import { verifyUnique } from "../chaos/unique.js";

const NONE = { maxConcurrency: 0, maxConcurrencyPerKey: 0, rateLimit: null };
const begins = (jobId: string, at = 0, deliveries = 1): LimitChange => ({ jobId, isRunning: true, deliveries, at });
const ends = (jobId: string, at = 0, deliveries = 1): LimitChange => ({ jobId, isRunning: false, deliveries, at });

/** The key of a job is the first letter of its id. */
const keyOf = (id: string) => id.replace(/\d/, "").replace("-", "");

describe("the check of limits in the chaos test", () => {
  test("finds one job too many, in all and of a key, and only then", () => {
    const check = (limits: object, ...changes: LimitChange[]) =>
      checkLimits("q", { ...NONE, ...limits }, changes, keyOf).violations.length;
    const two = [begins("a1"), begins("a2"), ends("a1"), begins("a3")];
    expect(check({ maxConcurrencyPerKey: 2, maxConcurrency: 2 }, ...two)).toBe(0);
    expect(check({ maxConcurrencyPerKey: 1 }, ...two)).toBe(2);
    expect(check({ maxConcurrency: 1 }, ...two)).toBe(2);
    expect(check({ maxConcurrencyPerKey: 1 }, begins("a1"), begins("b1"), begins("-"), begins("1"))).toBe(0);
    // A job that goes on is no other one.
    expect(check({ maxConcurrency: 1 }, begins("a1"), begins("a1"))).toBe(0);
  });

  test("finds hand-outs beyond the rate, but for those that were taken back", () => {
    const rateLimit = { count: 10, periodMs: 1000, burst: 2 };
    const at = (...times: number[]) => times.map((time, n) => begins(`a${n}`, time));
    const check = (...changes: LimitChange[]) =>
      checkLimits("q", { ...NONE, rateLimit }, changes, keyOf).violations.length;
    expect(check(...at(0, 0, 0, 100, 200, 300, 1000, 1000, 1000))).toBe(0);
    expect(check(...at(0, 0, 0, 0))).toBe(1);
    expect(check(...at(0, 0, 100, 200, 200, 200))).toBe(1);
    expect(check(begins("a1"), begins("a2"), ends("a2", 0, 0), begins("a3"), begins("a4"))).toBe(0);
    // A lost lease is no refund.
    expect(check(begins("a1"), ends("a1"), begins("a1", 0, 2), begins("a2"), begins("a3"))).toBe(1);
  });
});

test("the check of unique jobs finds two that held one key, and jobs that are not there", () => {
  const { PENDING, RUNNING, DONE } = JobStatus;
  const job = (id: string, until: UniqueUntil) => ({ id, status: DONE, unique: { key: "k", until } }) as unknown as Job;
  const check = (until: UniqueUntil, ...changes: [string, JobStatus][]) => {
    const told = changes.map(([jobId, status]) => ({ jobId, status, deleted: false }));
    return verifyUnique(told, [job("1", until), job("2", until)], new Set(["1", "2"])).length;
  };
  const [finished, started] = [UniqueUntil.FINISHED, UniqueUntil.STARTED];
  expect(check(finished, ["1", PENDING], ["1", RUNNING], ["1", DONE], ["2", PENDING])).toBe(0);
  expect(check(finished, ["1", PENDING], ["1", RUNNING], ["2", PENDING])).toBe(1);
  expect(check(started, ["1", PENDING], ["1", RUNNING], ["2", PENDING], ["1", PENDING])).toBe(0);
  expect(check(started, ["1", PENDING], ["2", PENDING])).toBe(1);
  expect(verifyUnique([], [], new Set(["3"]))).toHaveLength(1);
});

test("the check of schedules finds a due time with no job, or with two", () => {
  const job = (ms: number) =>
    ({ id: "1", status: JobStatus.DONE, schedule: "each-second", scheduledFor: timestampFromMs(ms) }) as Job;
  const check = (...times: number[]) => {
    const [createdAt, updatedAt, lastRunAt] = [0, 4500, times.at(-1) ?? 0].map(timestampFromMs);
    const schedule = { name: "each-second", runs: BigInt(times.length), createdAt, updatedAt, lastRunAt };
    return verifySchedules([schedule as unknown as Schedule], times.map(job)).length;
  };
  expect(check(1000, 2000, 3000, 4000)).toBe(0);
  expect(check(1000, 2000, 4000)).toBe(1);
  expect(check(1000, 2000, 2000, 3000)).toBe(1);
  expect(check(4000)).toBe(1);
});
