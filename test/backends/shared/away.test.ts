import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { createFileBackend } from "../../../src/backends/file/file-backend.js";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { SharedStoreUnusable } from "../../../src/backends/shared/link/store-away.js";
import { connectSharedStore } from "../../../src/backends/shared/shared-backend.js";
import type { Backend } from "../../../src/core/backend.js";
import { createSystemClock } from "../../../src/core/clock.js";
import { WatchHub } from "../../../src/core/watch/watch-hub.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { FakeClock } from "../../support/fake-clock.js";
import { signal } from "../../support/signal.js";
import { eventually, within } from "../../support/wait.js";
import { createWriterHere, folderOfTest } from "../contract/file-harness.js";
import { addOne, createQueue, done, expectRefused, lease, leaseOne, statuses } from "../contract/support.js";
import { connect, Heard, openStore, socketPath } from "./support.js";

/** A memory backend of which one operation waits for a signal, after it was done. */
function slow(method: "get" | "lease") {
  const asked = signal();
  const go = signal();
  const backend = createMemoryBackend({ clock: createSystemClock(), random: Math.random });
  const operation = backend[method] as (...args: unknown[]) => Promise<unknown>;
  const slowed = {
    ...backend,
    async [method](...args: unknown[]) {
      const answer = await operation(...args);
      asked.fire();
      await go.fired;
      return answer;
    },
  } as Backend;
  return { backend: slowed, asked, go };
}

/** The watches of a server, which hear what it hears. */
function watchesOf(backend: Backend, heard: Heard): WatchHub {
  const hub = new WatchHub(backend, createSystemClock());
  heard.changes = (batch) => hub.changed(batch);
  heard.interrupted = () => hub.interrupted();
  heard.resync = () => hub.resync();
  return hub;
}

function fileBackend(folder: string): Backend {
  const deps = { clock: createSystemClock(), random: Math.random, logger: silentLogger, writer: createWriterHere() };
  return createFileBackend(deps, { folder });
}

describe("a store process that ends", () => {
  test("fails what was asked, and what is asked then, as unavailable; and says so", async () => {
    const path = socketPath();
    const { backend: kept, asked } = slow("get");
    const store = await openStore(path, createSystemClock(), kept);
    const { backend, heard } = await connect(path);
    const open = expectRefused(backend.get(["4711"]), "BACKEND_UNAVAILABLE");
    await within(asked.fired, "the call");
    await store.stop();
    await within(open, "the refusal");
    await expectRefused(addOne(backend), "BACKEND_UNAVAILABLE");
    await expectRefused(backend.complete([{ jobId: "1", token: "x", result: undefined }]), "BACKEND_UNAVAILABLE");
    await expectRefused(backend.queues(), "BACKEND_UNAVAILABLE");
    expect(heard.availableHeard).toEqual([false]);
    expect(heard.interruptionsHeard).toBe(1);
    expect(backend.told(undefined)).toBeUndefined();
  });

  test("is reached again when there is another one, which has nothing of what was in memory", async () => {
    const path = socketPath();
    const store = await openStore(path);
    const { backend, heard } = await connect(path);
    await createQueue(backend, "mail");
    const id = await addOne(backend);
    await store.stop();
    await openStore(path);
    await eventually(async () => heard.availableHeard.at(-1) || undefined, "the store");
    expect(heard.availableHeard).toEqual([false, true]);
    expect(heard.emptiedHeard).toBe(1);
    expect(heard.resyncsHeard).toBe(1);
    expect((await backend.queueNames()).map(({ name }) => name)).toEqual(["default"]);
    expect(await backend.get([id])).toEqual([undefined]);
    await addOne(backend);
    expect(await lease(backend)).toHaveLength(1);
  });

  test("ends watches of its log with WATCH_COMPACTED when it was in memory", async () => {
    const path = socketPath();
    const store = await openStore(path);
    const { backend, heard } = await connect(path);
    const hub = watchesOf(backend, heard);
    const feed = hub.watchJobs({}, undefined);
    expect((await feed.next()).value).toMatchObject({ kind: "heartbeat" });
    await store.stop();
    await openStore(path);
    await expectRefused(within(feed.next(), "the end of the watch"), "WATCH_COMPACTED");
    hub.stop();
  });

  test("has watches go on where they were, and nothing lost, when it is a file", async () => {
    const path = socketPath();
    const folder = folderOfTest();
    const store = await openStore(path, createSystemClock(), fileBackend(folder));
    const { backend, heard } = await connect(path);
    const hub = watchesOf(backend, heard);
    const feed = hub.watchJobs({ queues: new Set(["default"]) }, undefined);
    expect((await feed.next()).value).toMatchObject({ kind: "heartbeat" });
    const first = await addOne(backend);
    const next = async () => (await within(feed.next(), "a change")).value;
    expect(await next()).toMatchObject({ change: { jobId: first, status: "PENDING" } });
    // Watched by its queue and by itself: the new store is told of both.
    const ofJob = hub.watchJob(first);
    for (const kind of ["heartbeat", "event"]) expect((await ofJob.next()).value).toMatchObject({ kind });
    const leased = await leaseOne(backend);
    expect(await next()).toMatchObject({ change: { status: "RUNNING" } });
    await store.stop();
    await openStore(path, createSystemClock(), fileBackend(folder));
    await eventually(async () => heard.availableHeard.at(-1) || undefined, "the store");
    expect(heard.emptiedHeard).toBe(0);
    // The lease is of before, and holds.
    expect(await backend.complete([done(leased)])).toMatchObject([{ outcome: "APPLIED" }]);
    expect(await next()).toMatchObject({ change: { jobId: first, status: "DONE" } });
    const ended = async () => {
      let status: string | undefined;
      for await (const event of ofJob) if (event.kind === "event") status = event.job.status;
      return status;
    };
    expect(await within(ended(), "the end of the watch of the job")).toBe("DONE");
    hub.stop();
  });
});

describe("a store process that does not answer", () => {
  test("fails what was asked after 1.7 s; leases that come then are given back", async () => {
    const path = socketPath();
    const clock = new FakeClock();
    const { backend: kept, asked, go } = slow("lease");
    await openStore(path, createSystemClock(), kept);
    const { backend, heard } = await connect(path, clock);
    const id = await addOne(backend);
    const leases = lease(backend);
    const refused = expectRefused(leases, "BACKEND_UNAVAILABLE");
    await within(asked.fired, "the call");
    await clock.advance(1700);
    await within(refused, "the refusal");
    expect(heard.availableHeard).toEqual([false]);
    await expectRefused(backend.get([id]), "BACKEND_UNAVAILABLE");
    go.fire();
    await eventually(async () => heard.availableHeard.at(-1) || undefined, "the store");
    await eventually(async () => (await statuses(backend, [id]))[0] === "PENDING" || undefined, "the job");
    const [job] = await backend.get([id]);
    expect(job).toMatchObject({ lostLeases: 0 });
  });

  test("gets leases back whose server has gone by then", async () => {
    const path = socketPath();
    const { backend: kept, asked, go } = slow("lease");
    await openStore(path, createSystemClock(), kept);
    const [gone, other] = [await connect(path), await connect(path)];
    const id = await addOne(gone.backend);
    lease(gone.backend).catch(() => undefined);
    await within(asked.fired, "the call");
    await gone.backend.stop();
    await eventually(async () => (await other.backend.takenElsewhere())?.length === 0 || undefined, "its end");
    go.fire();
    await eventually(async () => (await statuses(other.backend, [id]))[0] === "PENDING" || undefined, "the job");
  });
});

describe("a path", () => {
  test("where no store listens is refused at the start, with the reason", async () => {
    const clock = new FakeClock();
    const backend = connectSharedStore({ clock, logger: silentLogger }, { path: socketPath() });
    const started = backend.start(new Heard());
    const refused = expect(started).rejects.toThrow(/ENOENT/);
    await clock.advance(10_000);
    await within(refused, "the refusal");
    await expect(started).rejects.toBeInstanceOf(SharedStoreUnusable);
  });

  test("where no store listens yet is tried until there is one", async () => {
    const path = socketPath();
    const backend = connectSharedStore({ clock: createSystemClock(), logger: silentLogger }, { path });
    onTestFinished(() => backend.stop());
    const started = backend.start(new Heard());
    await openStore(path);
    await within(started, "the start");
    expect(await lease(backend)).toEqual([]);
  });

  test("is tried no more when the server stops meanwhile", async () => {
    const backend = connectSharedStore({ clock: new FakeClock(), logger: silentLogger }, { path: socketPath() });
    const refused = expectRefused(backend.start(new Heard()), "BACKEND_UNAVAILABLE");
    await backend.stop();
    await within(refused, "the refusal");
  });

  test("that a store has is refused to another", async () => {
    const path = socketPath();
    await openStore(path);
    await expect(openStore(path)).rejects.toThrow(/EADDRINUSE/);
    const { backend } = await connect(path);
    expect(await lease(backend)).toEqual([]);
  });

  test("that is left of a process that was killed is taken over, and is nobody else's to use", async () => {
    const path = socketPath();
    const script = "require('net').createServer().listen(process.argv[1], () => console.log('there'))";
    const child = spawn(process.execPath, ["-e", script, path], { stdio: ["ignore", "pipe", "ignore"] });
    await within(once(child.stdout, "data"), "the socket");
    child.kill("SIGKILL");
    await within(once(child, "exit"), "its end");
    expect(existsSync(path)).toBe(true);
    await openStore(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { backend } = await connect(path);
    expect(await lease(backend)).toEqual([]);
  });
});
