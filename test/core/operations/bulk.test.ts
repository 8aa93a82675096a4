import { describe, expect, test } from "vitest";
import { checkDeadFilter, checkFilter, filterDigest } from "../../../src/core/operations/filters.js";
import { writePageToken } from "../../../src/core/operations/page-token.js";
import { LIMITS } from "../../../src/model/common/limits.js";
import type { BulkResult, DeadSummary } from "../../../src/model/job/job-filter.js";
import { Violations } from "../../../src/model/request/violations.js";
import { rejection } from "../support/async.js";
import { Fixture } from "../support/fixture.js";

const reason = (reason: string) => expect.objectContaining({ reason });
const badFields = (...fields: string[]) =>
  expect.objectContaining({
    reason: "FIELD_INVALID",
    violations: fields.map((field) => expect.objectContaining({ field })),
  });

/** Creates this many waiting jobs in each queue. */
async function filled(count: number, ...queues: readonly string[]): Promise<Fixture> {
  const fixture = new Fixture();
  for (const queue of queues) {
    if (queue !== "default") await fixture.engine.queues.create(queue);
    for (let left = count; left > 0; left -= LIMITS.batch) {
      const requests = Array.from({ length: Math.min(left, LIMITS.batch) }, (_, at) => ({
        queue,
        type: at % 2 === 0 ? "mail" : "image",
        metadata: { n: String(at % 5) },
      }));
      await fixture.engine.jobs.createBatch(requests);
    }
  }
  return fixture;
}

/** Calls until there is no more. Returns all answers. */
async function toTheEnd<T extends BulkResult>(call: (pageToken: string) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  for (let pageToken = ""; ; ) {
    const answer = await call(pageToken);
    answers.push(answer);
    expect(answer.hasMore).toBe(answer.nextPageToken !== "");
    pageToken = answer.nextPageToken;
    if (pageToken === "") return answers;
    expect(answers.length).toBeLessThan(50);
  }
}

const sum = (answers: readonly BulkResult[]) => answers.reduce((total, { count }) => total + count, 0);

describe("list", () => {
  test("chooses by a filter, in either order, with or without payloads, over some queues or all", async () => {
    const { engine } = await filled(20, "a", "b", "c");
    const ids = async (query: Parameters<typeof engine.jobs.list>[0]) => (await engine.jobs.list(query)).jobs;
    const chosen = await ids({ queues: ["c", "a", "a"], metadata: { n: "1" }, types: ["image"], order: "OLDEST" });
    expect(chosen.map(({ queue, type, metadata }) => [queue, type, metadata.n])).toEqual([
      ...Array(2).fill(["a", "image", "1"]),
      ...Array(2).fill(["c", "image", "1"]),
    ]);
    const [first, last] = [chosen[0]?.id ?? "", chosen[3]?.id ?? ""];
    expect((await ids({ ids: [first, last, "7", "7@none"] })).map(({ id }) => id)).toEqual([last, first]);
    expect(await ids({ ids: [first], queues: ["b"] })).toEqual([]);
  });

  test("leaves payloads out of pages when that is asked, and then holds more jobs", async () => {
    const fixture = new Fixture();
    await fixture.engine.queues.create("b");
    for (const queue of ["default", "b", "default"]) {
      await fixture.create({ queue, payload: new Uint8Array(LIMITS.pageBytes * 0.7) });
    }
    for (const queue of [undefined, "default"]) {
      const full = await fixture.engine.jobs.list({ queue });
      expect([full.jobs.length, full.nextPageToken === ""]).toEqual([1, false]);
      const basic = await fixture.engine.jobs.list({ queue, view: "BASIC" });
      expect(basic.jobs.map(({ payload }) => payload)).toEqual(Array(queue ? 2 : 3).fill(undefined));
      expect(basic.nextPageToken).toBe("");
    }
  });

  test("names bad fields, of the filter too", async () => {
    const { engine } = new Fixture();
    const query = {
      ...{ queue: "a", queues: ["?"], type: "x", types: [""], ids: ["1", "x"], keys: ["", "k".repeat(129)] },
      ...{ errorContains: "x".repeat(5000), createdAfter: Number.NaN, metadata: { "": "" } },
    };
    expect(await rejection(engine.jobs.list({ ...query, order: "UP" as "NEWEST", view: "ALL" as "FULL" }))).toEqual(
      badFields(
        ...[
          "queue",
          "type",
          "queues[0]",
          "types[0]",
          "keys[1]",
          "ids[1]",
          'metadata key ""',
          "errorContains",
          "createdAfter",
        ],
        ...["order", "view"],
      ),
    );
    const tooMany = { ids: Array(LIMITS.filterEntries + 1).fill("1") };
    expect(await rejection(engine.jobs.list(tooMany))).toEqual(badFields("ids"));
    expect(await rejection(engine.jobs.list({ queues: ["default", "none"] }))).toEqual(reason("QUEUE_NOT_FOUND"));
  });

  test("finds each of many queues, and none beside them", async () => {
    const { engine } = new Fixture();
    await engine.start();
    const names = ["b", "c", "e", "f", "g"];
    for (const name of names) await engine.queues.create(name);
    for (const name of [...names, "default"]) expect((await engine.jobs.list({ queues: [name] })).jobs).toEqual([]);
    for (const name of ["a", "d", "ee", "h"]) {
      expect(await rejection(engine.jobs.list({ queues: [name] }))).toEqual(reason("QUEUE_NOT_FOUND"));
    }
    await engine.queues.remove("e", false);
    expect(await rejection(engine.jobs.list({ queues: ["e"] }))).toEqual(reason("QUEUE_NOT_FOUND"));
  });
});

describe("count", () => {
  test("counts what matches over all queues, in bounded calls that go on where the last one stopped", async () => {
    const fixture = await filled(LIMITS.bulkScan / 2 + 10_000, "default", "b");
    const { jobs } = fixture.engine;
    expect(sum(await toTheEnd((pageToken) => jobs.count({}, pageToken)))).toBe(LIMITS.bulkScan + 20_000);
    const answers = await toTheEnd((pageToken) => jobs.count({ metadata: { n: "3" }, types: ["mail"] }, pageToken));
    expect(answers.length).toBeGreaterThan(1);
    expect(sum(answers)).toBe((LIMITS.bulkScan + 20_000) / 10);
    const token = answers[0]?.nextPageToken;
    expect(await rejection(jobs.count({ types: ["mail"] }, token))).toEqual(reason("PAGE_TOKEN_INVALID"));
    for (const bad of ["x", Buffer.from("null").toString("base64url")]) {
      expect(await rejection(jobs.count({}, bad))).toEqual(reason("PAGE_TOKEN_INVALID"));
    }
  });

  test.each([
    "",
    "x",
    "null",
    "1",
    '"ab"',
    "{}",
    "[]",
    "[1,2]",
    '["a"]',
    '{"open":1}',
    '{"open":[null]}',
    '{"open":[["a",1]]}',
    '{"open":[[1,null]]}',
    '{"open":[],"from":1}',
  ])("refuses a page token that was made up: %s", async (position) => {
    const { engine } = new Fixture();
    const filter = { types: ["t"] };
    const madeUp = (digest: string) => ({ pageToken: writePageToken(digest, position) });
    const count = filterDigest("count", checkFilter(new Violations(), filter, ""));
    expect(await rejection(engine.jobs.count(filter, madeUp(count).pageToken))).toEqual(reason("PAGE_TOKEN_INVALID"));
    const dead = checkDeadFilter(new Violations(), filter, "");
    const replay = engine.dlq.replayMatching(filter, madeUp(filterDigest("replay", dead)));
    expect(await rejection(replay)).toEqual(reason("PAGE_TOKEN_INVALID"));
  });

  test("passes over a queue that is deleted meanwhile", async () => {
    const fixture = await filled(4, "default", "zz");
    let removed: Promise<void> | undefined;
    fixture.faults.set("count", async (run) => {
      removed ??= fixture.engine.queues.remove("zz", true);
      await removed;
      return run();
    });
    expect(await fixture.engine.jobs.count()).toEqual({ count: 4, hasMore: false, nextPageToken: "" });
  });
});

describe("cancelMatching and removeMatching", () => {
  test("change a bounded number of jobs a call, the oldest first, and go on", async () => {
    const fixture = await filled(LIMITS.bulk + 500, "default");
    const { jobs } = fixture.engine;
    const first = await jobs.cancelMatching({ queues: ["default"] });
    expect(first).toMatchObject({ count: LIMITS.bulk, hasMore: true });
    const { jobs: left } = await jobs.list({ statuses: ["PENDING"], pageSize: 1 });
    await fixture.clock.advance(10);
    await fixture.create();
    const second = await jobs.cancelMatching({ queues: ["default"] }, { pageToken: first.nextPageToken });
    // The one that was created meanwhile is not touched.
    expect(second).toEqual({ count: 500, hasMore: false, nextPageToken: "" });
    expect(await fixture.status(left[0]?.id ?? "")).toBe("CANCELED");
    expect(await jobs.count({ statuses: ["PENDING"] })).toMatchObject({ count: 1 });
    expect(sum(await toTheEnd((pageToken) => jobs.removeMatching({}, { all: true, pageToken })))).toBe(
      LIMITS.bulk + 500,
    );
    expect(await jobs.count()).toMatchObject({ count: 1 });
  });

  test("touch only what can be changed so, and count in a dry run what they would change", async () => {
    const fixture = await filled(10, "default");
    const { jobs } = fixture.engine;
    const [lease] = await fixture.lease({ type: "mail" });
    const options = { all: true };
    expect(await jobs.cancelMatching({}, { ...options, dryRun: true })).toMatchObject({ count: 10, hasMore: false });
    expect(await jobs.cancelMatching({}, { ...options, dryRun: true, max: 4 })).toMatchObject({
      count: 4,
      hasMore: true,
    });
    expect(await jobs.cancelMatching({}, { ...options, max: 4 })).toMatchObject({ count: 4, hasMore: true });
    expect(await jobs.cancelMatching({}, options)).toMatchObject({ count: 6, hasMore: false });
    // The cancel of the RUNNING job is requested already.
    expect(await jobs.cancelMatching({}, { ...options, dryRun: true })).toMatchObject({ count: 0 });
    expect(await fixture.get(lease?.job.id ?? "")).toMatchObject({ status: "RUNNING", cancelRequested: true });
    expect(await jobs.removeMatching({}, { ...options, dryRun: true })).toMatchObject({ count: 9 });
    expect(await jobs.removeMatching({ types: ["image"] })).toMatchObject({ count: 5 });
    expect(await jobs.count()).toMatchObject({ count: 5 });
  });

  test("take everything only when it is said, and name bad fields", async () => {
    const { engine } = await filled(2, "default");
    for (const call of [engine.jobs.cancelMatching, engine.jobs.removeMatching]) {
      for (const filter of [{}, { queues: [], types: [], statuses: [], ids: [], metadata: {}, worker: "" }]) {
        expect(await rejection(call(filter))).toEqual(badFields("filter"));
        expect(await rejection(call(filter, { dryRun: true }))).toEqual(badFields("filter"));
      }
      expect(await rejection(call({ errorEquals: "" }, { all: true }))).toEqual(badFields("all"));
      expect(await rejection(call({ statuses: ["FAILED"] }))).toEqual(badFields("filter.statuses[0]"));
      expect(await rejection(call({ queues: ["?"] }, { max: -1 }))).toEqual(badFields("filter.queues[0]", "max"));
      expect(await rejection(call({ queues: ["none"] }))).toEqual(reason("QUEUE_NOT_FOUND"));
    }
    expect(await rejection(engine.jobs.cancelMatching({ statuses: ["DONE"] }))).toEqual(
      badFields("filter.statuses[0]"),
    );
    expect(await engine.jobs.count({ statuses: ["PENDING"] })).toMatchObject({ count: 2 });
  });
});

describe("summarize", () => {
  test("counts the dead by queue, type and error, the largest group first, and the rest", async () => {
    const fixture = new Fixture();
    const { dlq, queues } = fixture.engine;
    await queues.create("b");
    await fixture.bury([{}, {}, { queue: "b" }], "timeout");
    await fixture.bury([{}], "timeout after 5 s");
    const latest = await fixture.bury([{}, {}, {}], "timeout after 6 s");
    await fixture.create();
    const group = { queue: "default", type: "work", error: "timeout after # s", count: 4, sampleId: latest[2] };
    const whole = await dlq.summarize();
    expect(whole).toMatchObject({ count: 7, otherCount: 0, hasMore: false, nextPageToken: "" });
    expect(whole.groups).toMatchObject([group, { error: "timeout", count: 2 }, { queue: "b", count: 1 }]);
    expect(await dlq.summarize({}, { maxGroups: 1 })).toMatchObject({ groups: [group], count: 7, otherCount: 3 });
    expect(await dlq.summarize({ queues: ["b"], errorContains: "out" })).toMatchObject({
      groups: [{ count: 1 }],
      count: 1,
    });
    expect(await dlq.summarize({ errorContains: "none" })).toMatchObject({ groups: [], count: 0 });
    const choice = { queue: "default", type: "work", errorGroup: "timeout after # s" };
    expect(await dlq.purgeMatching(choice)).toMatchObject({ count: 4, hasMore: false });
    expect(await dlq.replayMatching({ queue: "default", errorEquals: "timeout" })).toMatchObject({ count: 2 });
    expect(await rejection(dlq.summarize({ queue: "none" }))).toEqual(reason("QUEUE_NOT_FOUND"));
    expect(await rejection(dlq.summarize({ queue: "?" }, { maxGroups: 1001 }))).toEqual(
      badFields("filter.queue", "maxGroups"),
    );
  });

  test("goes on where it stopped", async () => {
    const fixture = new Fixture();
    fixture.faults.set("groupDead", async (run) => ({ ...((await run()) as object), examined: LIMITS.bulkScan }));
    for (const queue of ["a", "b"]) await fixture.engine.queues.create(queue);
    for (let at = 0; at < 18; at++) await fixture.engine.queues.create(`q${at}`);
    await fixture.bury([{ queue: "a" }, { queue: "q7" }, { queue: "q9" }], "x");
    const answers = await toTheEnd<DeadSummary>((pageToken) => fixture.engine.dlq.summarize({}, { pageToken }));
    expect(answers.length).toBe(2);
    expect(sum(answers)).toBe(3);
  });
});
