import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Batch, Durability, Reply } from "../../../src/backends/file/batch.js";
import { createFileBackend } from "../../../src/backends/file/file-backend.js";
import { createWriterThread } from "../../../src/backends/file/writer-thread.js";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { within } from "../../support/wait.js";
import type { OpenContender } from "../contender.js";
import { createBenchEngine } from "../engine.js";
import { check, type Figure, quantile, report } from "../figures.js";
import { openGoTaskQ, openOn } from "../gotaskq.js";
import { loadFrom, newPayload } from "../load.js";
import { startBenchRedis } from "../redis.js";

// The store in a file beside memory and a Redis with an append-only file, as a library in this process, one after the other. Jobs
// carry 100 bytes. The ceiling is a bare loop over the writer of the file: the same rows, with no store above it.

const CALLERS = 64;
const BATCH = 100;
const JOBS = 40_000;
const SLOTS = 100;
const MANY = 1_000_000;

const folder = mkdtempSync(join(tmpdir(), "gotaskq-bench-"));
let folders = 0;
const nextFolder = () => join(folder, String(folders++));

const onFile =
  (durability: Durability): OpenContender =>
  (slots) =>
    openOn((deps) => createFileBackend(deps, { folder: nextFolder(), durability }), slots);
const inMemory: OpenContender = (slots) => openOn((deps) => createMemoryBackend(deps), slots);

async function createOneByOne(open: OpenContender, jobs: number): Promise<number> {
  const contender = await open(0);
  const rate = await loadFrom(CALLERS, jobs, () => contender.create());
  check((await contender.counts()).waiting === jobs, "not all jobs wait");
  await contender.close();
  return rate;
}

async function createInBatches(open: OpenContender, jobs: number): Promise<number> {
  const contender = await open(0);
  const rate = BATCH * (await loadFrom(4, jobs / BATCH, () => contender.createBatch(BATCH)));
  check((await contender.counts()).waiting === jobs, "not all jobs wait");
  await contender.close();
  return rate;
}

async function run(open: OpenContender, jobs: number): Promise<number> {
  const contender = await open(SLOTS);
  await loadFrom(4, jobs / BATCH, () => contender.createBatch(BATCH));
  const done = contender.done(jobs);
  const start = performance.now();
  await contender.work();
  await within(done, "the last job", 60_000);
  const seconds = (performance.now() - start) / 1000;
  await contender.close();
  return jobs / seconds;
}

async function createAndRun(open: OpenContender, jobs: number): Promise<number> {
  const contender = await open(SLOTS);
  const done = contender.done(jobs);
  await contender.work();
  const start = performance.now();
  await loadFrom(CALLERS, jobs, () => contender.create());
  await within(done, "the last job", 60_000);
  const seconds = (performance.now() - start) / 1000;
  check((await contender.counts()).done === jobs, "not all jobs are done");
  await contender.close();
  return jobs / seconds;
}

/** Creations written by 64 callers through the writer alone: jobs per second, and the time from a batch to its sync, ms. */
async function ceiling(jobs: number): Promise<{ rate: number; syncP99: number }> {
  const writer = createWriterThread();
  const place = { folder: nextFolder(), durability: "power" as const, logName: "bench000" };
  let heard: (reply: Reply) => void = () => {};
  writer.onReply = (reply) => heard(reply);
  const reply = (kind: Reply["kind"]) =>
    new Promise<void>((resolve) => {
      heard = (each) => each.kind === kind && resolve();
    });
  const opened = reply("opened");
  writer.send({ kind: "open", place });
  await opened;
  const spec = JSON.stringify({
    type: "noop",
    priority: 0,
    maxRetries: 5,
    backoff: { baseDelayMs: 100, maxDelayMs: 5000 },
  });
  const own = '{"createdAt":1795676885405,"runAfter":1795676885405}';
  const payload = JSON.stringify(newPayload());
  const change =
    '{"jobId":"119333346894413824","queue":"default","type":"noop","updatedAt":1795676887007,"runAfter":1795676887007}';
  let id = 119333346894413824n;
  let position = 0;
  const lists = {
    goneQueues: [],
    queues: [],
    goneJobs: [],
    states: [],
    requestIds: [],
    leaseRequests: [],
    goneSchedules: [],
    schedules: [],
    oldestChange: 0,
  };
  const batch = (number: number): Batch => {
    const rows = Array.from({ length: CALLERS }, () => [String(id++), spec, own, payload]);
    const changes = rows.map(() => change);
    position += CALLERS;
    return { ...lists, number, now: 0, jobs: rows.flat(), changes, firstChange: position - CALLERS };
  };
  const times: number[] = [];
  const start = performance.now();
  for (let number = 1; number <= jobs / CALLERS; number++) {
    const synced = reply("synced");
    const from = performance.now();
    writer.send({ kind: "write", batch: batch(number) });
    await synced;
    times.push(performance.now() - from);
  }
  const seconds = (performance.now() - start) / 1000;
  const closed = reply("closed");
  writer.send({ kind: "close" });
  await closed;
  return { rate: jobs / seconds, syncP99: quantile(times, 0.99) };
}

/** Time from the call that creates a job to its handler, one job at a time, ms: the 99th percentile. */
async function pickUp(open: (created: () => void) => ReturnType<typeof createBenchEngine>): Promise<number> {
  let begun = () => {};
  const engine = open(() => begun());
  await engine.start();
  const times: number[] = [];
  for (let count = 0; count < 2000; count++) {
    const ran = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const start = performance.now();
    await Promise.all([engine.jobs.create({ type: "noop" }), ran]);
    times.push(performance.now() - start);
  }
  await engine.stop(1000);
  return quantile(times.slice(200), 0.99);
}

/** Seconds to read a million waiting jobs, the memory then, and the size of the file. */
async function restart(): Promise<Figure[]> {
  const place = { folder: nextFolder() };
  const before = createBenchEngine((deps) => createFileBackend(deps, place));
  await before.start();
  const request = () => ({ type: "noop", payload: JSON.stringify(newPayload()) });
  for (let made = 0; made < MANY; made += 1000) {
    await before.jobs.createBatch(Array.from({ length: 1000 }, request));
  }
  await before.stop(0);
  const bytes = statSync(join(place.folder, "gotaskq.db")).size;
  globalThis.gc?.();
  const start = performance.now();
  const after = createBenchEngine((deps) => createFileBackend(deps, place));
  await after.start();
  const seconds = (performance.now() - start) / 1000;
  const [queue] = await after.backend.queues(["default"]);
  check(queue?.stats.ready === MANY, `${queue?.stats.ready} jobs wait after the restart, not ${MANY}`);
  globalThis.gc?.();
  globalThis.gc?.();
  const resident = process.memoryUsage().rss / 2 ** 20;
  await after.stop(0);
  return [
    { name: "restart with 1,000,000 waiting jobs of 100 bytes", value: seconds, unit: "s" },
    { name: "resident after that (change log of 500,000 included)", value: resident, unit: "MiB" },
    { name: "file, a waiting job of 100 bytes", value: bytes / MANY, unit: "bytes" },
  ];
}

const figures: Figure[] = [];
const everysec = await startBenchRedis("everysec");
const always = await startBenchRedis("always");
try {
  const onRedis =
    (redis: typeof always): OpenContender =>
    async (slots) => {
      await redis.flush();
      return openGoTaskQ(redis, slots);
    };
  const contenders = {
    memory: inMemory,
    "file, power": onFile("power"),
    "file, process": onFile("process"),
    "Redis, everysec": onRedis(everysec),
    "Redis, always": onRedis(always),
  };
  const loads = {
    [`create, ${CALLERS} callers`]: createOneByOne,
    [`create by ${BATCH}, 4 callers`]: createInBatches,
    "run waiting no-op jobs": run,
    "create and run": createAndRun,
  };
  await ceiling(JOBS / 4);
  const { rate, syncP99 } = await ceiling(JOBS);
  figures.push({ name: `the writer alone, ${CALLERS} jobs a commit`, value: rate, unit: "jobs/s" });
  figures.push({ name: "the writer alone: a commit with its sync, p99", value: syncP99, unit: "ms" });
  for (const [load, measure] of Object.entries(loads)) {
    for (const [name, open] of Object.entries(contenders)) {
      await measure(open, JOBS / 4);
      globalThis.gc?.();
      figures.push({ name: `${load}: ${name}`, value: await measure(open, JOBS), unit: "jobs/s" });
    }
  }
  const pool = (begun: () => void) => ({ numWorkers: 10, handlers: { noop: begun } });
  const memoryP99 = await pickUp((begun) => createBenchEngine((deps) => createMemoryBackend(deps), pool(begun)));
  const fileP99 = await pickUp((begun) =>
    createBenchEngine((deps) => createFileBackend(deps, { folder: nextFolder() }), pool(begun)),
  );
  figures.push({ name: "create to handler, one at a time, p99: memory", value: memoryP99, unit: "ms" });
  figures.push({ name: "create to handler, one at a time, p99: file, power", value: fileP99, unit: "ms" });
  figures.push(...(await restart()));
} finally {
  await everysec.dispose();
  await always.dispose();
  rmSync(folder, { recursive: true, force: true });
}
report(figures, `Redis ${everysec.version}`);
