import { describe, expect, test } from "vitest";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { backendUnavailable } from "../../../src/model/common/errors.js";
import { FakeClock } from "../../support/fake-clock.js";
import { eventually } from "../../support/wait.js";
import {
  add,
  addOne,
  createQueue,
  done,
  expectRefused,
  LEASE_MS,
  lease,
  leaseOne,
  ref,
  statuses,
  tickAll,
} from "../contract/support.js";
import { connect, openStore, socketPath } from "./support.js";

const ALL = { of: "changes", queue: undefined } as const;

/** A store on a clock that stands still, and so many servers on it. */
async function open(count: number) {
  const clock = new FakeClock();
  const path = socketPath();
  await openStore(path, clock);
  const servers: Awaited<ReturnType<typeof connect>>[] = [];
  for (let at = 0; at < count; at++) servers.push(await connect(path));
  /** Resolves when all have heard what was done so far. */
  async function settled() {
    for (let turn = 0; turn < 2; turn++) await Promise.all(servers.map(({ backend }) => backend.get([])));
  }
  await settled();
  for (const { heard } of servers) heard.clear();
  return { clock, servers, settled };
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error(`there is none at ${index}`);
  return found;
}

describe("several servers on one store", () => {
  test("have the same jobs and queues, and make ids that differ", async () => {
    const { servers, settled } = await open(3);
    const [a, b, c] = [at(servers, 0).backend, at(servers, 1).backend, at(servers, 2).backend];
    await createQueue(a, "mail");
    await settled();
    expect((await c.queueNames()).map(({ name }) => name)).toEqual(["default", "mail"]);
    const id = await addOne(a, { queue: "mail" });
    const leased = await leaseOne(b, { queues: ["mail"] });
    expect(leased.job.id).toBe(id);
    expect(await c.complete([done(leased)])).toMatchObject([{ outcome: "APPLIED" }]);
    expect(await statuses(a, [id])).toEqual(["DONE"]);
    const ids = servers.flatMap(({ backend }) => Array.from({ length: 100 }, () => backend.ids.next()));
    expect(new Set(ids).size).toBe(300);
    expect(new Set(servers.map(({ backend }) => backend.node)).size).toBe(3);
    await a.deleteQueue("mail", false);
    await settled();
    expect((await b.queueNames()).map(({ name }) => name)).toEqual(["default"]);
  });

  test("are told of changes only when they watch or their workers are concerned", async () => {
    const { servers, settled } = await open(3);
    const [maker, worker, watcher] = [at(servers, 0), at(servers, 1), at(servers, 2)];
    watcher.backend.follow(ALL, true);
    await settled();
    const [first = "", second = ""] = await add(maker.backend, {}, {});
    const leases = await lease(worker.backend);
    await maker.backend.cancel(first);
    // Its worker settles the first; the second is settled through another server.
    await worker.backend.release([ref(at(leases, 0))]);
    await maker.backend.complete([done(at(leases, 1))]);
    await settled();
    const heard = (server: typeof maker) =>
      server.heard.changesHeard.map(({ jobId, status, cancelRequested }) => [
        jobId === first ? "first" : "second",
        cancelRequested ? "CANCELING" : status,
      ]);
    expect(heard(maker)).toEqual([]);
    expect(heard(worker)).toEqual([
      ["first", "CANCELING"],
      ["second", "DONE"],
    ]);
    expect(heard(watcher)).toEqual([
      ["first", "PENDING"],
      ["second", "PENDING"],
      ["first", "RUNNING"],
      ["second", "RUNNING"],
      ["first", "CANCELING"],
      ["first", "CANCELED"],
      ["second", "DONE"],
    ]);
    expect(await statuses(maker.backend, [first, second])).toEqual(["CANCELED", "DONE"]);
    watcher.backend.follow(ALL, false);
    watcher.heard.clear();
    await add(maker.backend, {}, {});
    await settled();
    expect(watcher.heard.changesHeard).toEqual([]);
  });

  test("are told of what they follow and of nothing else: a queue, a job, both", async () => {
    const { servers, settled } = await open(4);
    const { backend } = at(servers, 0);
    const [byQueue, byJob, byBoth] = [at(servers, 1), at(servers, 2), at(servers, 3)];
    await createQueue(backend, "mail");
    const [followed, other, mail] = [
      await addOne(backend),
      await addOne(backend),
      await addOne(backend, { queue: "mail" }),
    ];
    const names = new Map([followed, other, mail].map((id, index) => [id, ["followed", "other", "mail"][index]]));
    for (const { backend: each } of [byQueue, byBoth]) each.follow({ of: "changes", queue: "mail" }, true);
    for (const { backend: each } of [byJob, byBoth]) each.follow({ of: "job", id: followed }, true);
    byBoth.backend.follow({ of: "job", id: mail }, true);
    await settled();
    const heard = async () => {
      await settled();
      const all = servers.map((server) => server.heard.changesHeard.map(({ jobId }) => names.get(jobId)));
      for (const server of servers) server.heard.changesHeard.length = 0;
      return all;
    };
    await heard();
    for (const id of [mail, followed, other]) await backend.update(id, { priority: 1 });
    expect(await heard()).toEqual([[], ["mail"], ["followed"], ["mail", "followed"]]);
    byBoth.backend.follow({ of: "changes", queue: "mail" }, false);
    byJob.backend.follow({ of: "job", id: followed }, false);
    await settled();
    for (const id of [followed, mail, other]) await backend.cancel(id);
    expect(await heard()).toEqual([[], ["mail"], [], ["followed", "mail"]]);
  });

  test("hear when jobs change of queues whose figures they follow, and not which", async () => {
    const { clock, servers, settled } = await open(3);
    const [maker, ofMail, ofAll] = [at(servers, 0), at(servers, 1), at(servers, 2)];
    await createQueue(maker.backend, "mail");
    ofMail.backend.follow({ of: "counts", queue: "mail" }, true);
    ofAll.backend.follow({ of: "counts", queue: undefined }, true);
    await settled();
    await add(maker.backend, {}, { queue: "mail" }, {});
    await addOne(maker.backend);
    await clock.advance(20);
    await settled();
    expect(servers.map(({ heard }) => [...heard.countsHeard].sort())).toEqual([[], ["mail"], ["default", "mail"]]);
    expect(servers.flatMap(({ heard }) => heard.changesHeard)).toEqual([]);
  });

  test("that follow one queue know where they stand in the log although they are not told what happens in others", async () => {
    const { servers, settled } = await open(2);
    const [a, b] = [at(servers, 0).backend, at(servers, 1).backend];
    await createQueue(a, "mail");
    const start = await b.head();
    b.follow({ of: "changes", queue: "mail" }, true);
    const filter = { queues: new Set(["mail"]) };
    const first = await b.read(start, 10, filter);
    expect(first).toMatchObject({ entries: [], more: false, told: 0 });
    await add(a, {}, {}, {});
    await settled();
    expect(at(servers, 1).heard.changesHeard).toEqual([]);
    expect(b.told(filter.queues)).toBe(await a.head());
    const second = await b.read(first.next, 10, filter);
    expect(second).toMatchObject({ entries: [], more: false, told: 0, next: await a.head() });
    const cursors: (string | undefined)[] = [];
    at(servers, 1).heard.changes = (batch) => void cursors.push(batch.cursor(0, undefined), batch.cursor(1, undefined));
    const created = addOne(a, { queue: "mail" });
    const last = await addOne(a).then(() => b.read(second.next, 10, filter));
    await created;
    // One batch of the change in its queue: from it on it reads on without a gap.
    expect(last).toMatchObject({ told: 1, entries: [{ cursor: cursors[1] }] });
    expect(cursors[0]).toBe(second.next);
  });

  test("know where they stand in the log while they watch: a page that ends there says so", async () => {
    const { servers, settled } = await open(2);
    const [a, b] = [at(servers, 0).backend, at(servers, 1).backend];
    const start = await b.head();
    await addOne(a);
    expect(b.told(undefined)).toBeUndefined();
    expect((await b.read(start, 10, {})).told).toBeUndefined();
    b.follow(ALL, true);
    const page = await b.read(start, 10, {});
    expect(page).toMatchObject({ more: false, told: 0 });
    expect(b.told(undefined)).toBe(page.next);
    await addOne(a);
    await settled();
    const next = await b.read(page.next, 10, {});
    expect(next).toMatchObject({ more: false, told: 1 });
    expect(next.entries).toHaveLength(1);
    expect(b.told(undefined)).toBe(next.next);
  });

  test("are told of what is called after they began to watch, and know of it when they read then, all in one turn", async () => {
    const { servers, settled } = await open(2);
    const { backend, heard } = at(servers, 0);
    await add(backend, {}, {});
    const [first, second] = await lease(backend);
    if (first === undefined || second === undefined) throw new Error("no leases");
    const start = await backend.head();
    const before = backend.complete([done(first)]);
    backend.follow(ALL, true);
    const after = backend.complete([done(second)]);
    const page = await backend.read(start, 10, {});
    await Promise.all([before, after]);
    expect(page.entries.map(({ change }) => change.jobId)).toEqual([first.job.id, second.job.id]);
    expect(page.told).toBe(1);
    await settled();
    expect(heard.changesHeard.map(({ jobId }) => jobId)).toEqual([second.job.id]);
  });

  test("ask for a new job one after the other, unless it is left", async () => {
    const { clock, servers, settled } = await open(3);
    const counts = () => servers.map(({ heard }) => heard.readyHeard.length);
    for (const { backend } of servers) expect(await lease(backend)).toEqual([]);
    for (const { heard } of servers) heard.clear();
    await addOne(at(servers, 2).backend);
    await settled();
    expect(counts()).toEqual([1, 0, 0]);
    // It takes it, and finds no more: nobody else is told.
    expect(await lease(at(servers, 0).backend)).toHaveLength(1);
    await clock.advance(1000);
    await settled();
    expect(counts()).toEqual([1, 0, 0]);
    await addOne(at(servers, 2).backend);
    await settled();
    expect(counts()).toEqual([1, 1, 0]);
    // It does not take it.
    await clock.advance(10);
    await settled();
    expect(counts()).toEqual([2, 2, 1]);
  });

  test("ask one after the other too when nobody knows how many jobs there are, as of those whose time has come", async () => {
    const { clock, servers, settled } = await open(3);
    const counts = () => servers.map(({ heard }) => heard.readyHeard.length);
    await addOne(at(servers, 0).backend, { delayMs: 5000 });
    for (const { backend } of servers) expect(await lease(backend)).toEqual([]);
    await clock.advance(5000);
    await at(servers, 0).backend.tick();
    await settled();
    expect(counts()).toEqual([1, 0, 0]);
    await clock.advance(10);
    await settled();
    expect(counts()).toEqual([2, 1, 1]);
  });

  test("are all told of many jobs, and of jobs that nobody has asked for yet", async () => {
    const { servers, settled } = await open(3);
    const counts = () => servers.map(({ heard }) => heard.readyHeard.length);
    await addOne(at(servers, 0).backend);
    await settled();
    expect(counts()).toEqual([1, 1, 1]);
    for (const { backend } of servers) await lease(backend);
    for (const { heard } of servers) heard.clear();
    await add(at(servers, 0).backend, ...Array.from({ length: 20 }, () => ({})));
    await settled();
    expect(counts()).toEqual([1, 1, 1]);
  });

  test("have one that ticks, and another when that one does not in time", async () => {
    const { clock, servers, settled } = await open(2);
    const [first, second] = [at(servers, 0), at(servers, 1)];
    await addOne(second.backend, { delayMs: 5000 });
    await settled();
    expect(first.heard.dueHeard).toEqual([5000]);
    expect(second.heard.dueHeard).toEqual([]);
    // A tick of the other one changes nothing about that.
    expect((await second.backend.tick()).nextInMs).toBeUndefined();
    await clock.advance(5249);
    await settled();
    expect(second.heard.dueHeard).toEqual([]);
    await clock.advance(1);
    await settled();
    expect(second.heard.dueHeard).toEqual([0]);
    expect((await second.backend.tick()).nextInMs).toBeUndefined();
    expect(await lease(first.backend)).toHaveLength(1);
    await settled();
    expect(second.heard.dueHeard.at(-1)).toBeLessThanOrEqual(LEASE_MS);
  });

  test("leave a tick that failed to the one that tries it again", async () => {
    const clock = new FakeClock();
    const path = socketPath();
    const kept = createMemoryBackend({ clock, random: Math.random });
    let isBroken = true;
    const tick = async () => {
      if (isBroken) throw backendUnavailable("the file cannot be written");
      return kept.tick();
    };
    await openStore(path, clock, { ...kept, tick });
    const [first, second] = [await connect(path), await connect(path)];
    await expectRefused(first.backend.tick(), "BACKEND_UNAVAILABLE");
    await clock.advance(1249);
    await second.backend.get([]);
    expect(second.heard.dueHeard).toEqual([]);
    await clock.advance(1);
    await second.backend.get([]);
    expect(second.heard.dueHeard).toEqual([0]);
    isBroken = false;
    await second.backend.tick();
  });

  test("tell one of them to tell the figures, and what the workers of the others take", async () => {
    const { servers, settled } = await open(2);
    const [a, b] = [at(servers, 0).backend, at(servers, 1).backend];
    expect(await a.claimFigures()).toBe(true);
    expect(await b.claimFigures()).toBe(false);
    await a.stop();
    await eventually(async () => (await b.claimFigures()) || undefined, "the turn to tell figures");
    await settled().catch(() => undefined);
    expect(await b.takenElsewhere()).toEqual([]);
  });
});

describe("a server that is gone", () => {
  test("loses its leases when they run out, and not sooner; the others go on", async () => {
    const { clock, servers, settled } = await open(3);
    const [lost, other] = [at(servers, 0), at(servers, 1)];
    const [id = ""] = await add(lost.backend, {}, {});
    const leased = await leaseOne(lost.backend);
    expect(leased.job.id).toBe(id);
    await lost.backend.stop();
    // The tick that was its turn is another's.
    await eventually(async () => other.heard.dueHeard.includes(0) || undefined, "the turn to tick");
    expect(await statuses(other.backend, [id])).toEqual(["RUNNING"]);
    const next = await leaseOne(other.backend);
    expect(await other.backend.complete([done(next)])).toMatchObject([{ outcome: "APPLIED" }]);
    const { backend } = other;
    const pass = async (ms: number) => {
      await clock.advance(ms);
      await tickAll(backend);
    };
    await pass(LEASE_MS - 1);
    expect(await statuses(other.backend, [id])).toEqual(["RUNNING"]);
    await pass(1);
    expect(await statuses(other.backend, [id])).toEqual(["PENDING"]);
    expect((await leaseOne(other.backend)).job.lostLeases).toBe(1);
    await settled().catch(() => undefined);
  });

  test("does not keep others from settling what its workers have", async () => {
    const { servers } = await open(2);
    const [lost, other] = [at(servers, 0).backend, at(servers, 1).backend];
    const id = await addOne(lost);
    const leased = await leaseOne(lost);
    await lost.stop();
    expect(await other.complete([done(leased)])).toMatchObject([{ outcome: "APPLIED" }]);
    expect(await statuses(other, [id])).toEqual(["DONE"]);
  });
});
