import { describe, expect, test } from "vitest";
import type { Lease, LeaseRef } from "../../../src/core/port/leases.js";
import { queueOf } from "../../../src/model/queue/ids.js";
import { settle } from "../../support/fake-clock.js";
import { type Fixture, started } from "../support/fixture.js";
import { complete, idsOf, openStream, slowStream } from "../support/remote.js";

/** Returns how many jobs of the default queue run. */
async function runningJobs({ backend }: Fixture): Promise<number> {
  const [queue] = await backend.queues(["default"]);
  return queue?.stats.running ?? 0;
}

/** Creates `count` jobs. */
async function createMany(fixture: Fixture, count: number, payload?: string): Promise<void> {
  await fixture.engine.jobs.createBatch(Array.from({ length: count }, () => ({ type: "work", payload })));
  await settle();
}

/** Extensions fail as long as they ask after a lease of this queue. */
function failExtensionsOf(fixture: Fixture, queue: string): void {
  fixture.faults.set("extend", async (run, [items]) => {
    if ((items as readonly LeaseRef[]).some(({ jobId }) => queueOf(jobId) === queue))
      throw new Error("it does not answer");
    return run();
  });
}

/** The worker reports progress on a lease, without extending it. */
async function tell(fixture: Fixture, { job, token }: Lease): Promise<void> {
  await fixture.engine.remote.extend([{ jobId: job.id, token, progress: { percent: 1, message: "" } }]);
}

describe("a worker's stream", () => {
  test("begins with its session and a heartbeat, and has another after each 15 s of silence", async () => {
    const fixture = await started();
    const stream = await openStream(fixture, { maxInFlight: 3, leaseMs: 60_000 });
    expect(stream.events).toEqual([
      { kind: "session", id: expect.stringMatching(/^\d+$/), leaseMs: 60_000, maxInFlight: 3 },
      { kind: "heartbeat", at: fixture.clock.now() },
    ]);
    await fixture.clock.advance(10_000);
    await fixture.create();
    expect(stream.kinds()).toEqual(["session", "heartbeat", "lease"]);
    await fixture.clock.advance(14_999);
    expect(stream.kinds()).toHaveLength(3);
    await fixture.clock.advance(15_001);
    expect(stream.kinds().slice(3)).toEqual(["heartbeat", "heartbeat"]);
  });

  test("takes the lease of the server and one job at a time when it does not say", async () => {
    const fixture = await started({ leaseMs: 7000 });
    await createMany(fixture, 3);
    const stream = await openStream(fixture, { maxInFlight: 0 });
    expect(stream.events[0]).toMatchObject({ leaseMs: 7000, maxInFlight: 1 });
    expect(stream.leases()).toHaveLength(1);
    expect(stream.last()).toMatchObject({ expiresInMs: 7000, job: { status: "RUNNING", worker: "remote" } });
  });

  test("never has more unfinished leases than max_in_flight, and one that ends makes room for one", async () => {
    const fixture = await started();
    await createMany(fixture, 10);
    const stream = await openStream(fixture, { maxInFlight: 3 });
    expect(stream.leases()).toHaveLength(3);
    const [first, second, third] = stream.leases();
    if (!first || !second || !third) throw new Error("no leases");
    await complete(fixture, first);
    expect(stream.leases()).toHaveLength(4);
    const { remote } = fixture.engine;
    await remote.fail([{ jobId: second.job.id, token: second.token, error: "x", retry: "NEVER" }]);
    await settle();
    expect(stream.leases()).toHaveLength(5);
    await remote.release([{ jobId: third.job.id, token: third.token }]);
    await settle();
    // The released job is the first in line again.
    expect(stream.last().job).toMatchObject({ id: third.job.id, deliveries: 2, retryCount: 0 });
    expect(await runningJobs(fixture)).toBe(3);
  });

  test("has room again when a lease is ended at another server, or runs out though its worker lives", async () => {
    const fixture = await started();
    await createMany(fixture, 3);
    const stream = await openStream(fixture, { leaseMs: 5000 });
    const { job, token } = stream.last();
    await fixture.backend.complete([{ jobId: job.id, token, result: undefined }]);
    await settle();
    expect(stream.leases()).toHaveLength(2);
    await fixture.clock.advance(1000);
    await tell(fixture, stream.last());
    await fixture.clock.advance(4100);
    expect(stream.leases()).toHaveLength(3);
    expect(stream.last().job).toMatchObject({ id: stream.leases()[1]?.job.id, lostLeases: 1 });
  });

  test("finds by itself that a lease is over when nobody told of it", async () => {
    const fixture = await started();
    await createMany(fixture, 2);
    const stream = await openStream(fixture, { leaseMs: 5000 });
    const { job, token } = stream.last();
    fixture.faults.holdChanges();
    await fixture.backend.complete([{ jobId: job.id, token, result: undefined }]);
    await fixture.clock.advance(14_000);
    expect(stream.leases()).toHaveLength(1);
    await fixture.clock.advance(1000);
    expect(stream.leases()).toHaveLength(2);
  });

  test("finds that a lease is over while another queue does not answer", async () => {
    const fixture = await started({ queues: ["away"] });
    await fixture.create({ queue: "away" });
    await createMany(fixture, 2);
    const stream = await openStream(fixture, { maxInFlight: 2, leaseMs: 5000 });
    const here = stream.leases().find(({ job }) => job.queue === "default");
    await fixture.backend.setPaused("away", true);
    fixture.faults.holdChanges();
    await fixture.backend.complete([{ jobId: here?.job.id ?? "", token: here?.token ?? "", result: undefined }]);
    failExtensionsOf(fixture, "away");
    await fixture.clock.advance(15_000);
    expect(stream.leases()).toHaveLength(3);
  });

  test("hands out jobs in the order of the queue at the time of the lease", async () => {
    const fixture = await started();
    const stream = await openStream(fixture);
    const first = await fixture.create();
    const low = await fixture.create({ priority: 1 });
    const high = await fixture.create({ priority: 9 });
    for (let count = 0; count < 2; count++) await complete(fixture, stream.last());
    expect(idsOf(stream.leases())).toEqual([first, high, low]);
  });

  test("is leased again once the backend is back", async () => {
    const fixture = await started();
    const stream = await openStream(fixture);
    fixture.faults.fail("lease");
    await fixture.create();
    await fixture.clock.advance(1000);
    expect(stream.leases()).toEqual([]);
    fixture.faults.clear("lease");
    await fixture.clock.advance(250);
    expect(stream.leases()).toHaveLength(1);
  });
});

describe("a worker that says nothing from the beginning of a lease to its end", () => {
  test("is leased no more: its stream ends, and its jobs go to others", async () => {
    const fixture = await started();
    await createMany(fixture, 3);
    const silent = await openStream(fixture, { maxInFlight: 2, leaseMs: 5000 });
    await fixture.clock.advance(5100);
    expect(silent.end).toMatchObject({ ended: true, error: { reason: "LEASE_LOST" } });
    expect(silent.leases()).toHaveLength(2);
    const other = await openStream(fixture, { worker: "other", maxInFlight: 3 });
    expect(other.leases().map(({ job }) => job.lostLeases)).toEqual([1, 1, 0]);
  });

  test("is known by a job that was leased to it again, when nothing else told of the end of the lease", async () => {
    const fixture = await started();
    const stream = await openStream(fixture, { maxInFlight: 2, leaseMs: 5000 });
    const id = await fixture.create();
    fixture.faults.holdChanges();
    await fixture.clock.advance(5100);
    expect(stream.end).toMatchObject({ ended: true, error: { reason: "LEASE_LOST" } });
    expect(stream.leases()).toHaveLength(1);
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", deliveries: 2, lostLeases: 1 });
  });

  test("is given jobs again on a new stream", async () => {
    const fixture = await started();
    await createMany(fixture, 1);
    await openStream(fixture, { leaseMs: 5000 });
    await fixture.clock.advance(5100);
    const next = await openStream(fixture);
    expect(next.last().job).toMatchObject({ deliveries: 2, lostLeases: 1 });
  });

  test("is still leased jobs when it completes one at another server", async () => {
    const fixture = await started();
    await createMany(fixture, 4);
    const stream = await openStream(fixture, { maxInFlight: 2, leaseMs: 5000 });
    const [first] = stream.leases();
    if (first === undefined) throw new Error("nothing was leased");
    await fixture.clock.advance(1000);
    await fixture.backend.complete([{ jobId: first.job.id, token: first.token, result: undefined }]);
    await fixture.clock.advance(4100);
    expect(stream.end.ended).toBe(false);
    expect(stream.leases().length).toBeGreaterThan(3);
  });
});

describe("a slow reader", () => {
  test("is leased nothing while it takes nothing, and then little more than it takes", async () => {
    const fixture = await started();
    await createMany(fixture, 1000, JSON.stringify("x".repeat(10_000)));
    const stream = slowStream(fixture);
    for (const kind of ["session", "heartbeat"]) expect(await stream.next()).toMatchObject({ kind });
    expect(await runningJobs(fixture)).toBe(0);
    for (let taken = 1; taken <= 50; taken++) {
      expect(await stream.next()).toMatchObject({ kind: "lease" });
      // 64 KiB hold 7 of these.
      expect(await runningJobs(fixture)).toBeLessThan(taken + 7);
    }
  });

  test("has at most 100 small jobs leased ahead, which are given back at once when it leaves", async () => {
    const fixture = await started();
    await createMany(fixture, 500);
    const stream = slowStream(fixture);
    for (let count = 0; count < 3; count++) await stream.next();
    expect(await runningJobs(fixture)).toBe(100);
    await stream.next();
    await stream.leave();
    // The one that has left: the reader came back after it.
    expect(await runningJobs(fixture)).toBe(1);
  });

  test("of a backlog has the next 100 small jobs leased once it has taken the first of the last ones, and no more", async () => {
    const fixture = await started();
    await createMany(fixture, 1000);
    const stream = slowStream(fixture);
    for (let count = 0; count < 3; count++) await stream.next();
    expect(await runningJobs(fixture)).toBe(100);
    await stream.next();
    expect(await runningJobs(fixture)).toBe(200);
    for (let taken = 2; taken < 100; taken++) await stream.next();
    expect(await runningJobs(fixture)).toBe(200);
    await stream.next();
    await stream.next();
    expect(await runningJobs(fixture)).toBe(300);
  });

  test("has no jobs leased ahead that another worker waits for", async () => {
    const fixture = await started();
    await createMany(fixture, 300);
    const stream = slowStream(fixture);
    for (let count = 0; count < 3; count++) await stream.next();
    const other = slowStream(fixture);
    await other.next();
    await stream.next();
    await stream.next();
    expect(await runningJobs(fixture)).toBe(100);
  });

  test("is not sent a lease that ended while it was away", async () => {
    const fixture = await started();
    await createMany(fixture, 3);
    const stream = slowStream(fixture, { leaseMs: 1000 });
    for (let count = 0; count < 2; count++) await stream.next();
    const first = await stream.next();
    if (first?.kind !== "lease") throw new Error("nothing was leased");
    await fixture.clock.advance(500);
    await tell(fixture, first.lease);
    await fixture.clock.advance(1500);
    const event = await stream.next();
    expect(event).toMatchObject({ kind: "lease", lease: { expiresInMs: 1000, job: { deliveries: 2 } } });
  });

  test("is told what is left of a lease when it takes it", async () => {
    const fixture = await started();
    await createMany(fixture, 3);
    const stream = slowStream(fixture, { leaseMs: 5000 });
    for (let count = 0; count < 3; count++) await stream.next();
    await fixture.clock.advance(2000);
    expect(await stream.next()).toMatchObject({ lease: { expiresInMs: 3000 } });
  });
});

describe("a lease that has not left the server", () => {
  const RICH = JSON.stringify("x".repeat(100_000));

  test("is kept while it is being written, however long that takes, and begins anew when it has left", async () => {
    const fixture = await started();
    await createMany(fixture, 2, RICH);
    const stream = slowStream(fixture, { leaseMs: 3000, maxInFlight: 1 });
    for (let count = 0; count < 3; count++) await stream.next();
    const [job] = (await fixture.engine.jobs.list({ statuses: ["RUNNING"] })).jobs;
    if (job === undefined) throw new Error("nothing was leased");
    await fixture.clock.advance(20_900);
    expect(await fixture.get(job.id)).toMatchObject({ status: "RUNNING", deliveries: 1, lostLeases: 0 });
    await stream.ask();
    await fixture.clock.advance(2900);
    expect(await fixture.status(job.id)).toBe("RUNNING");
    // From now on it is its worker's, of whom nothing is heard.
    await fixture.clock.advance(200);
    expect(await fixture.get(job.id)).toMatchObject({ lostLeases: 1 });
  });

  test("is given back with nothing counted when the stream ends, one that waits at two thirds of its time", async () => {
    const fixture = await started();
    await createMany(fixture, 50);
    const stream = slowStream(fixture, { leaseMs: 3000 });
    for (let count = 0; count < 3; count++) await stream.next();
    expect(await runningJobs(fixture)).toBe(50);
    await fixture.clock.advance(2300);
    expect(await runningJobs(fixture)).toBe(1);
    await fixture.clock.advance(7000);
    await stream.leave();
    expect(await runningJobs(fixture)).toBe(0);
    const { jobs } = await fixture.engine.jobs.list({ pageSize: 50 });
    expect(jobs.filter(({ lostLeases, error }) => lostLeases > 0 || error !== "")).toEqual([]);
  });

  test("says nothing of its worker when it runs out all the same", async () => {
    const fixture = await started();
    await createMany(fixture, 2, RICH);
    const stream = slowStream(fixture, { leaseMs: 3000, maxInFlight: 5 });
    for (let count = 0; count < 3; count++) await stream.next();
    fixture.faults.fail("extend");
    await fixture.clock.advance(5000);
    fixture.faults.clear("extend");
    expect(await stream.next()).toMatchObject({ kind: "lease" });
  });
});

describe("a job that ends every worker at once", () => {
  test("is dead after too many of them, though none of its leases ran out", async () => {
    const fixture = await started({ memory: { maxLostLeases: 2 } });
    const id = await fixture.create();
    for (let crash = 0; crash < 3; crash++) {
      const stream = await openStream(fixture, { leaseMs: 60_000 });
      expect(stream.last().job.id).toBe(id);
      await stream.leave();
      await fixture.clock.advance(10_000);
    }
    expect(await fixture.get(id)).toMatchObject({ status: "DEAD", lostLeases: 3, retryCount: 0, deliveries: 3 });
    expect((await fixture.get(id)).error).toMatch(/poison/);
  });
});

describe("a worker that has been silent for half a lease", () => {
  test("is leased nothing while another has room, and goes on once it is heard of", async () => {
    const fixture = await started();
    await createMany(fixture, 2);
    const quiet = await openStream(fixture, { maxInFlight: 10, leaseMs: 30_000 });
    expect(quiet.leases()).toHaveLength(2);
    const healthy = await openStream(fixture, { worker: "healthy", maxInFlight: 10, leaseMs: 30_000 });
    await fixture.clock.advance(15_001);
    for (let count = 0; count < 4; count++) {
      await createMany(fixture, 1);
      await complete(fixture, healthy.last());
    }
    expect([quiet.leases().length, healthy.leases().length]).toEqual([2, 4]);
    await tell(fixture, quiet.last());
    await createMany(fixture, 4);
    expect(quiet.leases().length).toBeGreaterThan(2);
    await healthy.leave();
    await fixture.clock.advance(20_000);
    await createMany(fixture, 1);
    // There is no other.
    expect(quiet.last().job.status).toBe("RUNNING");
  });
});

describe("a stream that ends", () => {
  test("gives its jobs back after 10 s, as lost, with no retry used and at their old place", async () => {
    const fixture = await started();
    const stream = await openStream(fixture, { maxInFlight: 2, leaseMs: 60_000 });
    const first = await fixture.create({ priority: 5 });
    const later = await fixture.create({ priority: 5 });
    await fixture.create({ priority: 4 });
    await stream.leave();
    await fixture.clock.advance(9999);
    expect(await fixture.status(first)).toBe("RUNNING");
    await fixture.clock.advance(1);
    expect(await fixture.get(first)).toMatchObject({ status: "PENDING", retryCount: 0, lostLeases: 1, deliveries: 1 });
    const other = await openStream(fixture, { worker: "other", maxInFlight: 2 });
    expect(idsOf(other.leases())).toEqual([first, later]);
  });

  test.each([
    ["extended here", (fixture: Fixture) => fixture.engine.remote],
    ["extended at another server", (fixture: Fixture) => fixture.backend],
  ])("keeps a lease that was %s since", async (_, at) => {
    const fixture = await started();
    const stream = await openStream(fixture, { leaseMs: 20_000 });
    const id = await fixture.create();
    const { token } = stream.last();
    await stream.leave();
    await fixture.clock.advance(5000);
    await at(fixture).extend([{ jobId: id, token, leaseMs: 20_000 }]);
    await fixture.clock.advance(15_000);
    expect(await fixture.get(id)).toMatchObject({ status: "RUNNING", deliveries: 1 });
    expect(await complete(fixture, stream.last())).toEqual(["APPLIED"]);
  });

  test("keeps what was finished since, and does not count it as a late write", async () => {
    const stale: string[] = [];
    const { silentObserver } = await import("../../../src/core/observer.js");
    const observer = { ...silentObserver, staleWrite: (kind: string) => void stale.push(kind) };
    const fixture = await started({ observer });
    const stream = await openStream(fixture);
    const id = await fixture.create();
    await stream.leave();
    expect(await complete(fixture, stream.last())).toEqual(["APPLIED"]);
    await fixture.clock.advance(20_000);
    expect(await fixture.status(id)).toBe("DONE");
    expect(stale).toEqual([]);
  });

  test("leaves its jobs to the end of their leases when the backend is away then", async () => {
    const fixture = await started();
    const stream = await openStream(fixture, { leaseMs: 30_000 });
    const id = await fixture.create();
    await stream.leave();
    fixture.faults.fail("extend", "release");
    await fixture.clock.advance(11_000);
    expect(await fixture.status(id)).toBe("RUNNING");
    fixture.faults.clear("extend", "release");
    await fixture.clock.advance(20_000);
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", lostLeases: 1 });
  });

  test("gives jobs back while another queue does not answer", async () => {
    const fixture = await started({ queues: ["away"] });
    const stream = await openStream(fixture, { maxInFlight: 2, leaseMs: 60_000 });
    const away = await fixture.create({ queue: "away" });
    const here = await fixture.create();
    await stream.leave();
    failExtensionsOf(fixture, "away");
    await fixture.clock.advance(10_000);
    expect([await fixture.status(here), await fixture.status(away)]).toEqual(["PENDING", "RUNNING"]);
  });

  test("while a job is leased for it gives that back at once", async () => {
    const fixture = await started();
    const stream = await openStream(fixture);
    let leased: (() => void) | undefined;
    fixture.faults.set("lease", async (run) => {
      const leases = await run();
      await new Promise<void>((resolve) => {
        leased = resolve;
      });
      return leases;
    });
    const id = await fixture.create();
    expect(await fixture.status(id)).toBe("RUNNING");
    await stream.leave();
    leased?.();
    await settle();
    expect(await fixture.status(id)).toBe("PENDING");
  });
});

describe("a cancel", () => {
  test("is told once to the stream that has the job, which acknowledges it", async () => {
    const fixture = await started();
    const stream = await openStream(fixture);
    const id = await fixture.create();
    await fixture.engine.jobs.cancel(id);
    await settle();
    const { token } = stream.last();
    expect(await fixture.engine.remote.extend([{ jobId: id, token, leaseMs: 5000 }])).toMatchObject([
      { outcome: "CANCEL_REQUESTED" },
    ]);
    await settle();
    expect(stream.events.slice(3)).toEqual([{ kind: "cancel", jobId: id }]);
    const settlements = await fixture.engine.remote.fail([{ jobId: id, token, error: "stopped", retry: "DEFAULT" }]);
    expect(settlements).toMatchObject([{ outcome: "CANCELED" }]);
    expect(await fixture.status(id)).toBe("CANCELED");
  });

  test("of a job that was not sent yet takes it away", async () => {
    const fixture = await started();
    await createMany(fixture, 2);
    const stream = slowStream(fixture);
    for (let count = 0; count < 2; count++) await stream.next();
    const event = await stream.next();
    const { jobs } = await fixture.engine.jobs.list({ statuses: ["RUNNING"] });
    const unsent = jobs.find(({ id }) => event?.kind === "lease" && id !== event.lease.job.id);
    if (unsent === undefined) throw new Error("nothing was leased ahead");
    await fixture.engine.jobs.cancel(unsent.id);
    await settle();
    expect(await fixture.status(unsent.id)).toBe("CANCELED");
  });

  test("that overtakes the answer to the lease call is told all the same", async () => {
    const fixture = await started();
    fixture.faults.set("lease", async (run) => {
      const leases = (await run()) as { job: { id: string } }[];
      for (const { job } of leases) await fixture.engine.jobs.cancel(job.id);
      return leases;
    });
    const stream = slowStream(fixture);
    for (let count = 0; count < 2; count++) await stream.next();
    await stream.ask();
    const id = await fixture.create();
    expect(await fixture.status(id)).toBe("CANCELED");
  });
});

describe("draining", () => {
  test("is told to a stream, which goes on until its jobs are finished and is leased no more", async () => {
    const fixture = await started();
    await createMany(fixture, 5);
    const stream = await openStream(fixture, { maxInFlight: 2 });
    const stopping = fixture.engine.stop(5000);
    await settle();
    expect(stream.events.at(-1)).toEqual({ kind: "drain", closesInMs: 5000 });
    const [first, second] = stream.leases();
    if (!first || !second) throw new Error("no leases");
    expect(await complete(fixture, first)).toEqual(["APPLIED"]);
    expect(stream.end.ended).toBe(false);
    expect(await complete(fixture, second)).toEqual(["APPLIED"]);
    expect(stream.leases()).toHaveLength(2);
    expect(stream.end).toMatchObject({ ended: true, error: { reason: "SERVER_DRAINING" } });
    await stopping;
    expect(fixture.clock.timers).toBe(0);
  });

  test("ends an idle stream at once, and one with a job when the time is up", async () => {
    const fixture = await started();
    await createMany(fixture, 1);
    const busy = await openStream(fixture);
    const idle = await openStream(fixture);
    const stopping = fixture.engine.stop(5000);
    await settle();
    expect(idle.kinds()).toEqual(["session", "heartbeat", "drain"]);
    expect(idle.end.error).toMatchObject({ reason: "SERVER_DRAINING" });
    expect(busy.end.ended).toBe(false);
    await fixture.clock.advance(5000);
    expect(busy.end.error).toMatchObject({ reason: "SERVER_DRAINING" });
    await stopping;
    expect(fixture.clock.timers).toBe(0);
    // The worker may go on at another server.
    expect(await fixture.status(busy.last().job.id)).toBe("RUNNING");
  });

  test("gives back what a slow reader was not sent, and refuses new streams", async () => {
    const fixture = await started();
    await createMany(fixture, 50);
    const stream = slowStream(fixture);
    for (let count = 0; count < 3; count++) await stream.next();
    const stopping = fixture.engine.stop(1000);
    await settle();
    expect(await runningJobs(fixture)).toBe(1);
    const refused = await openStream(fixture);
    expect(refused.end.error).toMatchObject({ reason: "SERVER_DRAINING" });
    await fixture.clock.advance(1000);
    await stopping;
  });
});
