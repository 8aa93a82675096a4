import { describe, expect, test } from "vitest";
import { rejection } from "../support/async.js";
import { Fixture } from "../support/fixture.js";

const reason = (reason: string) => expect.objectContaining({ reason });
const badFields = (...fields: string[]) =>
  expect.objectContaining({
    reason: "FIELD_INVALID",
    violations: fields.map((field) => expect.objectContaining({ field })),
  });

async function deadIds({ engine }: Fixture): Promise<string[]> {
  return (await engine.dlq.list({})).jobs.map(({ id }) => id);
}

/** Two queues with three dead jobs each, of types mail, work, work, which died 1 ms apart. */
async function buried() {
  const fixture = new Fixture();
  await fixture.engine.queues.create("b");
  const inDefault = await fixture.bury([{ type: "mail" }, {}], "no route");
  inDefault.push(...(await fixture.bury([{}], "Broken pipe")));
  const inB = await fixture.bury([{ queue: "b", type: "mail" }, { queue: "b" }, { queue: "b" }], "no route");
  return { fixture, dlq: fixture.engine.dlq, inDefault, inB };
}

describe("list", () => {
  test("answers the latest death over all queues first, page by page", async () => {
    const { dlq, inDefault, inB } = await buried();
    const seen: string[][] = [];
    let pageToken = "";
    do {
      const page = await dlq.list({ pageSize: 2, pageToken });
      seen.push(page.jobs.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).toEqual([
      [inB[2], inB[1]],
      [inB[0], inDefault[2]],
      [inDefault[1], inDefault[0]],
    ]);
  });

  test("orders by death, not by age", async () => {
    const fixture = new Fixture();
    const first = await fixture.create({ delayMs: 1000 });
    const [second = ""] = await fixture.bury([{}]);
    await fixture.clock.advance(1000);
    const [lease] = await fixture.lease();
    await fixture.backend.fail([{ jobId: first, token: lease?.token ?? "", error: "x", retry: "NEVER", jitter: 0 }]);
    expect(await deadIds(fixture)).toEqual([first, second]);
  });

  test("chooses by queue and type", async () => {
    const { dlq, inDefault, inB } = await buried();
    const idsOf = async (filter: Parameters<typeof dlq.list>[0]) => (await dlq.list(filter)).jobs.map(({ id }) => id);
    expect(await idsOf({ queue: "b" })).toEqual([...inB].reverse());
    expect(await idsOf({ type: "mail" })).toEqual([inB[0], inDefault[0]]);
    expect(await idsOf({ queue: "", type: "" })).toHaveLength(6);
  });

  test("takes a token for its own filter only, and none of a list of jobs", async () => {
    const { fixture, dlq } = await buried();
    const { nextPageToken: pageToken } = await dlq.list({ pageSize: 1 });
    for (const other of [{ queue: "b" }, { type: "mail" }]) {
      expect(await rejection(dlq.list({ ...other, pageToken }))).toEqual(reason("PAGE_TOKEN_INVALID"));
    }
    expect(await rejection(fixture.engine.jobs.list({ pageToken }))).toEqual(reason("PAGE_TOKEN_INVALID"));
    const ofJobs = await fixture.engine.jobs.list({ pageSize: 1, statuses: ["DEAD"] });
    expect(await rejection(dlq.list({ pageToken: ofJobs.nextPageToken }))).toEqual(reason("PAGE_TOKEN_INVALID"));
  });

  test("names bad fields and does not know an unknown queue", async () => {
    const { dlq } = new Fixture().engine;
    expect(await rejection(dlq.list({ queue: "?", pageSize: -1 }))).toEqual(badFields("queue", "pageSize"));
    expect(await rejection(dlq.list({ queue: "none" }))).toEqual(reason("QUEUE_NOT_FOUND"));
  });
});

describe("get, replay and remove", () => {
  test("get a dead job with what it died of", async () => {
    const { dlq, inDefault } = await buried();
    expect(await dlq.get(inDefault[2] ?? "")).toMatchObject({
      status: "DEAD",
      error: "Broken pipe",
      attemptErrors: [{ error: "Broken pipe", delivery: 1, worker: "other" }],
    });
  });

  test("replay a job to the queue it came from, ready now and as new", async () => {
    const { fixture, dlq, inB } = await buried();
    const job = await dlq.replay(inB[1] ?? "");
    expect(job).toMatchObject({
      queue: "b",
      status: "PENDING",
      retryCount: 0,
      lostLeases: 0,
      runAfter: fixture.clock.now(),
      finishedAt: undefined,
    });
    expect((await fixture.lease({ queue: "b" }))[0]?.job.id).toBe(job.id);
  });

  test("remove a dead job for good", async () => {
    const { fixture, dlq, inB } = await buried();
    await dlq.remove(inB[1] ?? "");
    expect(await deadIds(fixture)).not.toContain(inB[1]);
    expect(await rejection(fixture.get(inB[1] ?? ""))).toEqual(reason("JOB_NOT_FOUND"));
  });

  test("refuse a job that is not dead, one that is not there, and what is no id", async () => {
    const fixture = new Fixture();
    const id = await fixture.create();
    const { dlq } = fixture.engine;
    for (const call of [dlq.get, dlq.replay, dlq.remove]) {
      expect(await rejection(call(id))).toEqual(
        expect.objectContaining({ reason: "JOB_STATE_CONFLICT", metadata: { job_id: id, status: "PENDING" } }),
      );
      expect(await rejection(call("1"))).toEqual(reason("JOB_NOT_FOUND"));
      expect(await rejection(call("x"))).toEqual(badFields("id"));
    }
    expect(await fixture.status(id)).toBe("PENDING");
  });

  test("replay once, whoever asks twice", async () => {
    const { dlq, inB } = await buried();
    const id = inB[0] ?? "";
    const answers = await Promise.allSettled([dlq.replay(id), dlq.replay(id)]);
    expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });
});

describe("replayMatching", () => {
  test("replays all over all queues and answers how many", async () => {
    const { fixture, dlq, inDefault, inB } = await buried();
    expect(await dlq.replayMatching({}, { all: true })).toMatchObject({ count: 6 });
    expect(await deadIds(fixture)).toEqual([]);
    for (const id of [...inDefault, ...inB]) expect(await fixture.status(id)).toBe("PENDING");
    expect(await dlq.replayMatching({}, { all: true })).toMatchObject({ count: 0 });
  });

  test("chooses by every field of the filter", async () => {
    const { fixture, dlq } = await buried();
    // The deaths: six, 1 ms apart, the last one 1 ms ago.
    const death = (index: number) => fixture.clock.now() - 6 + index;
    const count = async (filter: Parameters<typeof dlq.replayMatching>[0]) =>
      (await dlq.replayMatching(filter, { dryRun: true })).count;
    expect(await count({ queue: "b" })).toBe(3);
    expect(await count({ type: "mail" })).toBe(2);
    expect(await count({ errorContains: "pipe" })).toBe(1);
    expect(await count({ errorContains: "Pipe" })).toBe(0);
    expect(await count({ diedAfter: death(2) })).toBe(4);
    expect(await count({ diedBefore: death(2) })).toBe(2);
    expect(await count({ diedAfter: death(1), diedBefore: death(4) })).toBe(3);
    expect(await count({ queue: "b", type: "work", diedAfter: death(5), errorContains: "route" })).toBe(1);
  });

  test("changes nothing in a dry run, and counts no more than asked for", async () => {
    const { fixture, dlq } = await buried();
    expect(await dlq.replayMatching({}, { all: true, dryRun: true })).toMatchObject({ count: 6 });
    expect(await dlq.replayMatching({}, { all: true, dryRun: true, max: 4 })).toMatchObject({ count: 4 });
    expect(await dlq.replayMatching({}, { all: true, dryRun: true, max: 0 })).toMatchObject({ count: 6 });
    expect(await deadIds(fixture)).toHaveLength(6);
  });

  test("takes no more than asked for, the oldest death first", async () => {
    const { fixture, dlq, inDefault, inB } = await buried();
    expect(await dlq.replayMatching({}, { all: true, max: 4 })).toMatchObject({ count: 4 });
    expect(await deadIds(fixture)).toEqual([inB[2], inB[1]]);
    for (const id of [...inDefault, inB[0] ?? ""]) expect(await fixture.status(id)).toBe("PENDING");
  });

  test("reads on over more dead jobs than one page holds", async () => {
    const fixture = new Fixture();
    await fixture.engine.jobs.createBatch(Array.from({ length: 1000 }, () => ({ type: "work" })));
    await fixture.engine.jobs.createBatch(Array.from({ length: 500 }, () => ({ type: "work" })));
    const leases = await fixture.lease({ max: 1500 });
    await fixture.backend.fail(
      leases.map(({ job, token }) => ({ jobId: job.id, token, error: "x", retry: "NEVER", jitter: 0 })),
    );
    expect(await fixture.engine.dlq.replayMatching({}, { all: true, dryRun: true })).toMatchObject({ count: 1500 });
    expect(await fixture.engine.dlq.replayMatching({}, { all: true, max: 1200 })).toMatchObject({ count: 1200 });
    expect(await fixture.engine.dlq.replayMatching({}, { all: true })).toMatchObject({ count: 300 });
  });

  test("does not replay again what died after the call began", async () => {
    const fixture = new Fixture();
    const { dlq, queues } = fixture.engine;
    for (const queue of ["b", "c"]) await queues.create(queue);
    // So large that they are replayed one by one.
    const payload = new Uint8Array(700_000);
    const [first = "", second = ""] = await fixture.bury([{ payload }, { queue: "b", payload }], "before");
    const dieAgain = async (queue: string) => {
      await fixture.clock.advance(10);
      const [lease] = await fixture.lease({ queue });
      const ref = { jobId: lease?.job.id ?? "", token: lease?.token ?? "" };
      await fixture.backend.fail([{ ...ref, error: "again", retry: "NEVER", jitter: 0 }]);
    };
    const buried: string[] = [];
    fixture.faults.set("act", async (run) => {
      fixture.faults.clear("act");
      const rows = await run();
      await dieAgain("default");
      // Somebody else replays the other one, and it dies again; a new one dies too.
      await dlq.replay(second);
      await dieAgain("b");
      buried.push(...(await fixture.bury([{ queue: "c" }], "new")));
      return rows;
    });
    expect(await dlq.replayMatching({}, { all: true })).toMatchObject({ count: 1 });
    for (const id of [first, second]) {
      expect(await fixture.get(id)).toMatchObject({ status: "DEAD", error: "again", deliveries: 2 });
    }
    expect(await fixture.status(buried[0] ?? "")).toBe("DEAD");
  });

  test("does not count what another call replayed first", async () => {
    const { dlq } = await buried();
    const counts = await Promise.all([dlq.replayMatching({}, { all: true }), dlq.replayMatching({}, { all: true })]);
    expect(counts.reduce((sum, { count }) => sum + count, 0)).toBe(6);
  });

  test("takes every dead job only when it is said", async () => {
    const { fixture, dlq } = await buried();
    for (const call of [dlq.replayMatching, dlq.purgeMatching]) {
      for (const filter of [{}, { queue: "", type: "", errorContains: "", diedAfter: undefined }]) {
        for (const options of [{}, { all: false }, { dryRun: true }, { max: 1 }]) {
          const refused = await rejection(call(filter, options));
          expect(refused).toEqual(badFields("filter"));
          expect(refused).toMatchObject({ message: expect.stringContaining("all: true") });
        }
        expect(await call(filter, { all: true, dryRun: true })).toMatchObject({ count: 6 });
      }
      for (const filter of [
        { queue: "b" },
        { type: "x" },
        { errorContains: "x" },
        { diedAfter: 0 },
        { diedBefore: 0 },
      ]) {
        for (const dryRun of [true, false]) {
          expect(await rejection(call(filter, { all: true, dryRun }))).toEqual(badFields("all"));
        }
      }
    }
    expect(await deadIds(fixture)).toHaveLength(6);
  });

  test("names bad fields and does not know an unknown queue", async () => {
    const { fixture, dlq } = await buried();
    expect(await rejection(dlq.replayMatching({ queue: "?" }, { max: -1 }))).toEqual(badFields("filter.queue", "max"));
    expect(await rejection(dlq.replayMatching({}, { all: true, max: 1.5 }))).toEqual(badFields("max"));
    expect(await rejection(dlq.replayMatching({ queue: "none" }))).toEqual(reason("QUEUE_NOT_FOUND"));
    expect(await deadIds(fixture)).toHaveLength(6);
  });
});

describe("purgeMatching", () => {
  test("deletes what matches and leaves the rest", async () => {
    const { fixture, dlq, inDefault, inB } = await buried();
    expect(await dlq.purgeMatching({ type: "mail" })).toMatchObject({ count: 2 });
    expect(await deadIds(fixture)).toEqual([inB[2], inB[1], inDefault[2], inDefault[1]]);
    expect(await rejection(fixture.get(inDefault[0] ?? ""))).toEqual(reason("JOB_NOT_FOUND"));
  });

  test("keeps to the same bounds as a replay", async () => {
    const { fixture, dlq } = await buried();
    expect(await dlq.purgeMatching({}, { all: true, dryRun: true })).toMatchObject({ count: 6 });
    expect(await dlq.purgeMatching({ queue: "b" }, { max: 2 })).toMatchObject({ count: 2 });
    expect(await rejection(dlq.purgeMatching({ queue: "?" }))).toEqual(badFields("filter.queue"));
    expect(await deadIds(fixture)).toHaveLength(4);
  });

  test("touches no job that is not dead", async () => {
    const { fixture, dlq } = await buried();
    const id = await fixture.create();
    expect(await dlq.purgeMatching({}, { all: true })).toMatchObject({ count: 6 });
    expect(await fixture.status(id)).toBe("PENDING");
  });
});
