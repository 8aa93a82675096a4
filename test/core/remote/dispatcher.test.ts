import { describe, expect, test } from "vitest";
import { settle } from "../../support/fake-clock.js";
import { started } from "../support/fixture.js";
import { complete, idsOf, openPoll, openStream } from "../support/remote.js";

describe("the line of remote workers", () => {
  test("serves who has waited longest, streams and polls alike", async () => {
    const fixture = await started();
    const stream = await openStream(fixture);
    const poll = await openPoll(fixture);
    const late = await openStream(fixture);
    const ids = [await fixture.create(), await fixture.create(), await fixture.create()];
    expect([idsOf(stream.leases()), idsOf(poll.answer), idsOf(late.leases())]).toEqual(ids.map((id) => [id]));
    // The first stream waits in the wait list again, behind the second.
    await complete(fixture, late.last());
    await complete(fixture, stream.last());
    const next = await fixture.create();
    expect(idsOf(late.leases())).toEqual([ids[2], next]);
  });

  test("keeps the place of a stream while heartbeats pass", async () => {
    const fixture = await started();
    const first = await openStream(fixture);
    await fixture.clock.advance(7000);
    const second = await openStream(fixture);
    await fixture.clock.advance(10_000);
    expect(first.kinds().at(-1)).toBe("heartbeat");
    await fixture.create();
    expect([first.leases().length, second.leases().length]).toEqual([1, 0]);
  });

  test("spreads a handful of jobs over all who wait, however much each could take", async () => {
    const fixture = await started();
    const streams = [];
    for (let count = 0; count < 10; count++) streams.push(await openStream(fixture, { maxInFlight: 100 }));
    await fixture.engine.jobs.createBatch(Array.from({ length: 20 }, () => ({ type: "work" })));
    await settle();
    for (const stream of streams) expect(stream.leases().length).toBeGreaterThanOrEqual(1);
    expect(Math.max(...streams.map((stream) => stream.leases().length))).toBeLessThanOrEqual(4);
  });

  test("moves a backlog in few calls", async () => {
    const fixture = await started();
    await fixture.engine.jobs.createBatch(Array.from({ length: 1000 }, () => ({ type: "work" })));
    const streams = [];
    for (let count = 0; count < 2; count++) streams.push(await openStream(fixture, { maxInFlight: 500 }));
    // Some turns of the event loop for each of the two.
    for (let turns = 0; turns < 10; turns++) await settle();
    expect(streams.map((stream) => stream.leases().length)).toEqual([500, 500]);
    expect(fixture.faults.calls("lease")).toBeLessThan(50);
  });

  test("asks the backend once for a job, however many wait for it", async () => {
    const fixture = await started();
    for (let count = 0; count < 200; count++) {
      await openStream(fixture);
      await openPoll(fixture);
    }
    const before = fixture.faults.calls("lease");
    await fixture.create();
    // Once for the job, once to find that there is no other.
    expect(fixture.faults.calls("lease") - before).toBeLessThanOrEqual(2);
    await fixture.create({ type: "nobody-runs-this" });
    expect(fixture.faults.calls("lease") - before).toBeLessThanOrEqual(3);
  });

  test("is fair to 200 streams and 200 polls that all want the jobs of one queue", async () => {
    const fixture = await started();
    const served = new Map<string, number>();
    const count = (name: string) => served.set(name, (served.get(name) ?? 0) + 1);
    const streams = [];
    for (let at = 0; at < 200; at++) streams.push({ name: `s${at}`, stream: await openStream(fixture), seen: 0 });
    const polls = new Map<string, Awaited<ReturnType<typeof openPoll>>>();
    for (let at = 0; at < 200; at++) polls.set(`p${at}`, await openPoll(fixture, { worker: `p${at}` }));
    for (let round = 0; round < 40; round++) {
      await fixture.engine.jobs.createBatch(Array.from({ length: 100 }, () => ({ type: "work" })));
      await settle();
      const leases = [];
      for (const entry of streams) {
        for (const lease of entry.stream.leases().slice(entry.seen)) {
          entry.seen++;
          count(entry.name);
          leases.push(lease);
        }
      }
      const answered = [...polls].filter(([, { answer }]) => answer !== undefined);
      for (const [name, { answer = [] }] of answered) {
        count(name);
        leases.push(...answer);
      }
      await complete(fixture, ...leases);
      for (const [name] of answered) polls.set(name, await openPoll(fixture, { worker: name }));
    }
    const counts = [...served.values()];
    expect(counts.reduce((sum, each) => sum + each, 0)).toBe(4000);
    expect(served.size).toBe(400);
    expect([Math.min(...counts), Math.max(...counts)]).toEqual([10, 10]);
  });

  test("serves those who want other jobs in turn too", async () => {
    const fixture = await started();
    const both = await openStream(fixture, { types: ["work", "other"], maxInFlight: 100 });
    const one = await openStream(fixture, { maxInFlight: 100 });
    for (let count = 0; count < 20; count++) await fixture.create();
    expect(both.leases()).toHaveLength(10);
    expect(one.leases()).toHaveLength(10);
  });

  test("takes turns between queues, as many in each, for streams and for polls", async () => {
    const fixture = await started();
    for (const name of ["a", "b", "c"]) {
      await fixture.engine.queues.create(name);
      await fixture.engine.jobs.createBatch(Array.from({ length: 20 }, () => ({ type: "work", queue: name })));
    }
    await settle();
    const seen: string[] = [];
    for (let count = 0; count < 12; count++) {
      const [lease] = (await openPoll(fixture, { queues: ["b", "a"] })).answer ?? [];
      seen.push(lease?.job.queue ?? "none");
      // Waiters for other queues do not disturb the turns.
      await openPoll(fixture, { worker: "other", queues: ["c"] });
    }
    expect(seen.filter((name) => name === "a")).toHaveLength(6);
    expect(seen.filter((name) => name === "b")).toHaveLength(6);
  });

  test("serves queues that are made later, and none that it was not asked for", async () => {
    const fixture = await started();
    const all = await openStream(fixture, { maxInFlight: 10 });
    const one = await openStream(fixture, { worker: "one", queues: ["default"], maxInFlight: 10 });
    await fixture.engine.queues.create("later");
    await settle();
    const id = await fixture.create({ queue: "later" });
    expect(idsOf(all.leases())).toEqual([id]);
    expect(one.leases()).toEqual([]);
  });

  test("and the built-in workers draw from one order", async () => {
    const ran: string[] = [];
    const handlers = { work: async (job: { id: string }) => void ran.push(job.id) };
    const fixture = await started({ handlers, numWorkers: 1 });
    await fixture.engine.queues.pause("default");
    const stream = await openStream(fixture, { maxInFlight: 1 });
    const ids = [];
    for (let priority = 0; priority <= 5; priority++) ids.unshift(await fixture.create({ priority }));
    await fixture.engine.queues.resume("default");
    // A free slot is filled in the next turn of the event loop: five jobs take five turns.
    while (ran.length < ids.length - 1) await settle();
    const streamed = idsOf(stream.leases()) ?? [];
    expect(streamed).toHaveLength(1);
    // Each got a part that is in the order of the whole.
    expect(ran).toEqual(ids.filter((id) => !streamed.includes(id)));
  });

  test("knows its workers, what they take and what they run", async () => {
    const fixture = await started({ handlers: { other: () => 1 }, numWorkers: 3 });
    const stream = await openStream(fixture, { worker: "s", maxInFlight: 2 });
    const id = await fixture.create();
    const second = await fixture.create();
    await openPoll(fixture, { worker: "p", maxJobs: 5, leaseMs: 5000 });
    const third = await fixture.create();
    const lease = { id: expect.any(String), since: expect.any(Number), queues: [], types: ["work"] };
    expect(fixture.engine.workers()).toMatchObject([
      { id: "0", name: "pool", kind: "BUILT_IN", queues: [], types: ["other"], capacity: 3, jobIds: [] },
      { ...lease, name: "s", kind: "STREAM", capacity: 2, jobIds: [id, second], leaseMs: 30_000 },
      { ...lease, name: "p", kind: "POLL", capacity: 5, jobIds: [third], leaseMs: 5000 },
    ]);
    await stream.leave();
    await fixture.clock.advance(59_000);
    expect(fixture.engine.workers().map(({ name, jobIds }) => [name, jobIds])).toEqual([
      ["pool", []],
      ["p", []],
    ]);
    await fixture.clock.advance(1000);
    expect(fixture.engine.remote.list()).toEqual([]);
  });

  test("knows a worker once: with several streams, and with polls beside them", async () => {
    const fixture = await started();
    const first = await openStream(fixture, { worker: "w", maxInFlight: 1 });
    const id = await fixture.create();
    await openStream(fixture, { worker: "w", maxInFlight: 2 });
    const second = await fixture.create();
    await openPoll(fixture, { worker: "w", types: ["polled"] });
    const polled = await fixture.create({ type: "polled" });
    await openStream(fixture, { worker: "w", types: ["other"] });
    await openPoll(fixture, { worker: "another" });
    const { remote } = fixture.engine;
    expect(
      remote.list().map(({ name, kind, types, capacity, jobIds }) => [name, kind, types, capacity, jobIds]),
    ).toEqual([
      ["w", "STREAM", ["work"], 3, [id, second, polled]],
      ["w", "STREAM", ["other"], 1, []],
      ["another", "POLL", ["work"], 1, []],
    ]);
    await first.leave();
    expect(remote.list()).toMatchObject([{ capacity: 2, jobIds: [second, polled] }, { capacity: 1 }, { kind: "POLL" }]);
  });
});
