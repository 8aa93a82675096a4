import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { createRedisBackend } from "../../../src/backends/redis/redis-backend.js";
import type { Engine } from "../../../src/core/engine.js";
import type { Lease } from "../../../src/core/port/leases.js";
import type { QueueSettingsRequest } from "../../../src/model/queue/queue.js";
import type { JobRequest } from "../../../src/model/request/validate.js";
import { cpuOfRedis, cpuOfThis } from "../cpu.js";
import { createBenchEngine } from "../engine.js";
import { check, type Figure, median, report } from "../figures.js";
import { newPayload } from "../load.js";
import { startBenchRedis } from "../redis.js";

// What limits cost, in CPU a job, that of Redis too: a queue with every limit on (keys that take turns and are bounded, a rate, unique
// jobs that expire) against one with none, in turns, with some jobs waiting. Then a lease where a large backlog waits under many
// keys, all but a few of which are held back, against as large a backlog without limits. BACKLOG=1000000 is the largest.

const BACKLOG = Number(process.env.BACKLOG ?? 200_000);
const KEYS = Number(process.env.KEYS ?? BACKLOG / 10);

/** Keys of the queues with few jobs, and keys that are not held back. */
const FEW_KEYS = 50;
/** Jobs that wait while create, lease and completion are measured. */
const WAITING = 1000;
const SLICES = 30;
const ALONE = 40;
const BATCH = 100;
const MOST = 1000;

const LIMITED: QueueSettingsRequest = {
  ordering: "FAIR",
  maxConcurrencyPerKey: BATCH,
  rateLimit: { count: 1_000_000, periodMs: 1000, burst: 1_000_000 },
};

/** The kinds of work, each on jobs one by one and by the hundred. */
const WORK = ["create", "lease", "complete", "create100", "lease100", "complete100"] as const;
type Costs = Record<(typeof WORK)[number], number>;

interface Store {
  readonly name: string;
  readonly engine: Engine;
  /** Microseconds of CPU used so far. */
  cpu(): Promise<number>;
}

let made = 0;

function plain(queue: string): JobRequest {
  return { queue, type: "noop", payload: JSON.stringify(newPayload()) };
}

/** A job on which every limit is on. `key`: default one of a few, in turn. */
function limited(queue: string, key = `key-${made % FEW_KEYS}`): JobRequest {
  return { ...plain(queue), key, ttlMs: 3_600_000, unique: { key: `unique-${made++}` } };
}

async function fill(engine: Engine, count: number, job: (n: number) => JobRequest): Promise<void> {
  for (let n = 0; n < count; n += MOST) {
    const size = Math.min(MOST, count - n);
    await engine.jobs.createBatch(Array.from({ length: size }, (_, at) => job(n + at)));
  }
}

/** Leases so many jobs. A call may give fewer than there are. */
async function lease(engine: Engine, queue: string, count: number): Promise<readonly Lease[]> {
  const leases: Lease[] = [];
  while (leases.length < count) {
    const max = Math.min(MOST, count - leases.length);
    const request = { queues: [queue], types: ["noop"], max, leaseMs: 3_600_000, worker: "bench" };
    const some = await engine.leasing.lease({ ...request, maxBytes: Number.POSITIVE_INFINITY });
    check(some.length > 0, `${leases.length} jobs of ${queue} could be leased, not ${count}`);
    leases.push(...some);
  }
  return leases;
}

async function complete(engine: Engine, leases: readonly Lease[]): Promise<void> {
  const settled = await engine.leasing.complete(
    leases.map(({ job, token }) => ({ jobId: job.id, token, result: undefined })),
  );
  check(
    settled.every(({ outcome }) => outcome === "APPLIED"),
    "a job was not completed",
  );
}

/** Microseconds of CPU a job of each kind of work on each of these queues, in turns: medians of slices. */
async function costs(store: Store, queues: Readonly<Record<string, (queue: string) => JobRequest>>) {
  const { engine } = store;
  const seen = new Map(Object.keys(queues).map((queue) => [queue, new Map<string, number[]>()]));
  const time = async (queue: string, work: string, jobs: number, run: () => Promise<unknown>) => {
    const before = await store.cpu();
    await run();
    const us = ((await store.cpu()) - before) / jobs;
    const list = seen.get(queue)?.get(work);
    if (list === undefined) seen.get(queue)?.set(work, [us]);
    else list.push(us);
  };
  for (let slice = 0; slice < SLICES; slice++) {
    for (const [queue, job] of Object.entries(queues)) {
      const leases: Lease[] = [];
      await time(queue, "create", ALONE, async () => {
        for (let n = 0; n < ALONE; n++) await engine.jobs.create(job(queue));
      });
      await time(queue, "lease", ALONE, async () => {
        for (let n = 0; n < ALONE; n++) leases.push(...(await lease(engine, queue, 1)));
      });
      await time(queue, "complete", ALONE, async () => {
        for (const each of leases) await complete(engine, [each]);
      });
      const many = Array.from({ length: BATCH }, () => job(queue));
      await time(queue, "create100", BATCH, () => engine.jobs.createBatch(many));
      let some: readonly Lease[] = [];
      await time(queue, "lease100", BATCH, async () => {
        some = await lease(engine, queue, BATCH);
      });
      await time(queue, "complete100", BATCH, () => complete(engine, some));
    }
  }
  return (queue: string) =>
    Object.fromEntries(WORK.map((work) => [work, median(seen.get(queue)?.get(work) ?? [])])) as Costs;
}

const NAMES: Readonly<Record<keyof Costs, string>> = {
  create: "create one",
  lease: "lease one",
  complete: "complete one",
  create100: `create by ${BATCH}`,
  lease100: `lease by ${BATCH}`,
  complete100: `complete by ${BATCH}`,
};

function compare(what: string, works: readonly (keyof Costs)[], off: Costs, on: Costs, how = "limited"): Figure[] {
  return works.flatMap((work) => [
    { name: `${what}, ${NAMES[work]}: no limit`, value: off[work], unit: "us/job" },
    { name: `${what}, ${NAMES[work]}: ${how}`, value: on[work], unit: "us/job" },
    { name: `${what}, ${NAMES[work]}: ${how} against not`, value: on[work] / off[work], unit: "x" },
  ]);
}

/** Every limit on against all off, with some jobs waiting; and a limit of each key on where no job has one. */
async function everyLimit(store: Store): Promise<Figure[]> {
  const { engine, name } = store;
  await engine.queues.create("plain");
  await engine.queues.create("limited", LIMITED);
  await engine.queues.create("keyless", { maxConcurrencyPerKey: 1 });
  const queues = { plain, keyless: plain, limited: (queue: string) => limited(queue) };
  for (const [queue, job] of Object.entries(queues)) await fill(engine, WAITING, () => job(queue));
  await costs(store, queues);
  const of = await costs(store, queues);
  for (const queue of Object.keys(queues)) await engine.queues.remove(queue, true);
  return [
    ...compare(name, WORK, of("plain"), of("limited")),
    ...compare(name, ["lease", "lease100"], of("plain"), of("keyless"), "keys unused"),
  ];
}

/** A lease where a backlog waits of which all is held back but for a few keys, against as large a backlog that is not. */
async function backlog(store: Store): Promise<Figure[]> {
  const { engine, name } = store;
  await engine.queues.create("backlog");
  await fill(engine, BACKLOG, () => plain("backlog"));
  await engine.queues.create("held", { ordering: "FAIR", maxConcurrencyPerKey: 1 });
  await fill(engine, BACKLOG, (n) => ({ ...plain("held"), key: `held-${n % KEYS}` }));
  // One job of each key runs: all others are held back.
  await lease(engine, "held", KEYS);
  let turn = 0;
  const queues = { backlog: plain, held: () => ({ ...plain("held"), key: `free-${turn++ % (BATCH * 2)}` }) };
  await costs(store, queues);
  const of = await costs(store, queues);
  const { stats } = await engine.queues.get("held");
  check(stats.limited >= BACKLOG - KEYS, `${stats.limited} jobs are held back, not ${BACKLOG - KEYS}`);
  return compare(`${name} with a backlog`, ["lease", "lease100"], of("backlog"), of("held"));
}

async function measure(store: Store): Promise<Figure[]> {
  await store.engine.start();
  const figures = [...(await everyLimit(store)), ...(await backlog(store))];
  await store.engine.stop(0);
  return figures;
}

const redis = await startBenchRedis();
try {
  const figures = await measure({
    name: "memory",
    engine: createBenchEngine((deps) => createMemoryBackend(deps)),
    cpu: async () => cpuOfThis() * 1e6,
  });
  figures.push(
    ...(await measure({
      name: "Redis",
      engine: createBenchEngine((deps) => createRedisBackend(deps, { url: redis.url })),
      cpu: async () => (cpuOfThis() + (await cpuOfRedis(redis))) * 1e6,
    })),
  );
  report(figures, `Redis ${redis.version}; a backlog of ${BACKLOG} jobs under ${KEYS} keys`);
} finally {
  await redis.dispose();
}
