import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { createRedisBackend } from "../../../src/backends/redis/redis-backend.js";
import { cpuOfRedis, cpuOfThis } from "../cpu.js";
import { createBenchEngine } from "../engine.js";
import { type Figure, median, report } from "../figures.js";
import { costOfFleets, type FleetCosts, timeToStart } from "../fleet.js";
import { type ManyQueues, openManyQueues } from "../many-queues.js";
import { type BenchRedis, startBenchRedis } from "../redis.js";

// What work costs when there are many queues, against the same work with one: in CPU of this process and of Redis, as
// other programs on the machine do not count in that. Equal jobs wait in each queue, and equal jobs go with each call. Both engines take
// turns, so that nothing but the queues differs. Then: how soon a server starts with many queues, and what a job costs
// with three servers against one, and against three that share nothing. QUEUES, as in `100,5000`, and ROUNDS set the sizes.

const SIZES = (process.env.QUEUES ?? "100,1000,5000").split(",").map(Number);
const ROUNDS = Number(process.env.ROUNDS ?? 8);
const CALLS = { memory: 600, redis: 40 };
const WANTED = 1.3;

/** What is compared, with its name in the report, and whether something is wanted of it. */
const OPERATIONS: readonly (readonly [key: string, name: string, isWanted: boolean])[] = [
  ["create", "create", true],
  ["watch", "create, seen by 4 watchers of all jobs", true],
  ["lease", "lease and complete", true],
  ["run", "create and run", true],
  ["list", "list one queue", true],
  ["single", "single creates, one in each queue", true],
  ["gathered", "the same from 64 callers, gathered in one queue", false],
];

/** The CPU that was used so far, in seconds, of all that take part. */
type Cpu = () => Promise<number>;

/** Microseconds of CPU for each job with one queue, and how many times that with many: medians of the rounds. */
interface Comparison {
  readonly one: number;
  readonly ratio: number;
}

async function compare(one: ManyQueues, many: ManyQueues, cpu: Cpu, calls: number): Promise<Map<string, Comparison>> {
  async function costOf({ operations }: ManyQueues, key: string): Promise<number> {
    let cost = Number.NaN;
    await operations[key]?.(calls, async (jobs, work) => {
      const before = await cpu();
      await work();
      cost = (((await cpu()) - before) * 1e6) / jobs;
    });
    return cost;
  }
  const costs = OPERATIONS.map(([key]) => ({ key, ones: [] as number[], ratios: [] as number[] }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { key, ones, ratios } of costs) {
      const first = round % 2 === 0 ? one : many;
      const before = await costOf(first, key);
      const after = await costOf(first === one ? many : one, key);
      const [few, lots] = first === one ? [before, after] : [after, before];
      ones.push(few);
      ratios.push(lots / few);
    }
  }
  return new Map(costs.map(({ key, ones, ratios }) => [key, { one: median(ones), ratio: median(ratios) }]));
}

/** `open` opens an engine on an empty store, another one each time. */
async function measure(store: string, open: () => Promise<ManyQueues>, cpu: Cpu, calls: number): Promise<Figure[]> {
  const [one, many] = [await open(), await open()];
  const figures: Figure[] = [];
  await one.grow(1);
  await many.grow(1);
  // The first rounds only warm up.
  await compare(one, many, cpu, calls);
  for (const [at, size] of SIZES.entries()) {
    await many.grow(size);
    const costs = await compare(one, many, cpu, calls);
    for (const [key, name, isWanted] of OPERATIONS) {
      const { one: cost, ratio } = costs.get(key) as Comparison;
      if (at === 0) figures.push({ name: `${store}: ${name}, 1 queue`, value: cost, unit: "us/job" });
      const wanted = isWanted ? ` (wanted: ${WANTED})` : "";
      figures.push({ name: `${store}: ${name}, ${size} to 1${wanted}`, value: ratio, unit: "x" });
    }
  }
  await one.close();
  await many.close();
  return figures.toSorted((a, b) => placeOf(a) - placeOf(b));
}

/** Figures of one operation stand together. */
function placeOf({ name }: Figure): number {
  return OPERATIONS.findIndex(([, operation]) => /: (.*), \d+ (queue|to 1)/.exec(name)?.[1] === operation);
}

function fleetFigures({ one, three, sharing }: FleetCosts): Figure[] {
  return [
    { name: "1 server at full speed, CPU with Redis", value: one.fullSpeed, unit: "us/job" },
    { name: "3 servers to 1 at full speed (wanted: 1.15)", value: three.fullSpeed, unit: "x" },
    { name: "3 servers to 3 that share nothing at full speed", value: sharing.fullSpeed, unit: "x" },
    { name: "1 server at a steady 2,000/s, CPU with Redis", value: one.steady, unit: "us/job" },
    { name: "3 servers to 1 at a steady 2,000/s (wanted: 1.3)", value: three.steady, unit: "x" },
    { name: "3 servers to 3 that share nothing at 2,000/s", value: sharing.steady, unit: "x" },
  ];
}

async function onRedis(redis: BenchRedis): Promise<Figure[]> {
  let engines = 0;
  const open = () => {
    const prefix = `bench${engines++}`;
    return openManyQueues((options) =>
      createBenchEngine((deps) => createRedisBackend(deps, { url: redis.url, prefix }), options),
    );
  };
  const cpu = async () => cpuOfThis() + (await cpuOfRedis(redis));
  const figures = await measure("Redis", open, cpu, CALLS.redis);
  const largest = Math.max(...SIZES);
  const start = await timeToStart({ USE_REDIS: "true", REDIS_URL: redis.url, REDIS_PREFIX: "bench1" }, largest);
  figures.push({ name: `Redis: start with ${largest} queues (wanted: 2,000)`, value: start, unit: "ms" });
  return [...figures, ...fleetFigures(await costOfFleets(redis))];
}

const inMemory = await measure(
  "memory",
  () => openManyQueues((options) => createBenchEngine((deps) => createMemoryBackend(deps), options)),
  async () => cpuOfThis(),
  CALLS.memory,
);
const redis = await startBenchRedis();
try {
  report([...inMemory, ...(await onRedis(redis))], `Redis ${redis.version}`);
} finally {
  await redis.dispose();
}
