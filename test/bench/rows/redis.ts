import { within } from "../../support/wait.js";
import { bullMqVersion, openBullMq } from "../bullmq.js";
import type { Contender, OpenContender } from "../contender.js";
import { check, type Figure, report } from "../figures.js";
import { openGoTaskQ } from "../gotaskq.js";
import { loadFrom } from "../load.js";
import { startBenchRedis } from "../redis.js";

// GoTaskQ and BullMQ under the same loads, one after the other on one Redis that keeps nothing on disk. Both run as a
// library in this process, with their defaults. Jobs carry 100 bytes. GoTaskQ runs 100 jobs at a time, BullMQ as many
// as are best for it here.

const CALLERS = 64;
const BATCH = 100;
const CREATED = 40_000;
const RUN = 20_000;
const SLOTS = 100;
const BULLMQ_SLOTS = [50, 100, 200];

/** Returns jobs per second. */
type Load = (open: OpenContender, jobs: number) => Promise<number>;

async function withContender(open: OpenContender, slots: number, measure: (contender: Contender) => Promise<number>) {
  globalThis.gc?.();
  const contender = await open(slots);
  try {
    return await measure(contender);
  } finally {
    await contender.close();
  }
}

/** Waits for the last job, but not for ever: a failed job is retried late or not at all. */
function lastOf(jobs: number, done: Promise<void>): Promise<void> {
  return within(done, `the last of ${jobs} jobs`, 60_000);
}

async function checkCounts(contender: Contender, expected: { waiting: number; done: number }): Promise<void> {
  const { waiting, done } = await contender.counts();
  const holds = waiting === expected.waiting && done === expected.done;
  check(holds, `${waiting} jobs wait and ${done} are done, not ${expected.waiting} and ${expected.done}`);
}

const createOneByOne: Load = (open, jobs) =>
  withContender(open, 0, async (contender) => {
    const rate = await loadFrom(CALLERS, jobs, () => contender.create());
    await checkCounts(contender, { waiting: jobs, done: 0 });
    return rate;
  });

const createInBatches =
  (callers: number): Load =>
  (open, jobs) =>
    withContender(open, 0, async (contender) => {
      const rate = BATCH * (await loadFrom(callers, jobs / BATCH, () => contender.createBatch(BATCH)));
      await checkCounts(contender, { waiting: jobs, done: 0 });
      return rate;
    });

/** Fills the queue, then measures how fast the jobs run. */
const run =
  (slots: number): Load =>
  (open, jobs) =>
    withContender(open, slots, async (contender) => {
      await loadFrom(4, jobs / BATCH, () => contender.createBatch(BATCH));
      await checkCounts(contender, { waiting: jobs, done: 0 });
      const done = contender.done(jobs);
      const start = performance.now();
      await contender.work();
      await lastOf(jobs, done);
      const seconds = (performance.now() - start) / 1000;
      await checkCounts(contender, { waiting: 0, done: jobs });
      return jobs / seconds;
    });

/** Measures jobs that run while others are created. */
const createAndRun =
  (slots: number): Load =>
  (open, jobs) =>
    withContender(open, slots, async (contender) => {
      const done = contender.done(jobs);
      await contender.work();
      const start = performance.now();
      await loadFrom(CALLERS, jobs, () => contender.create());
      await lastOf(jobs, done);
      const seconds = (performance.now() - start) / 1000;
      await checkCounts(contender, { waiting: 0, done: jobs });
      return jobs / seconds;
    });

const redis = await startBenchRedis();
try {
  const open =
    (contender: typeof openGoTaskQ): OpenContender =>
    async (slots) => {
      await redis.flush();
      return contender(redis, slots);
    };
  const ours = open(openGoTaskQ);
  const theirs = open(openBullMq);
  const figures: Figure[] = [];

  async function compare(name: string, jobs: number, load: Load, theirLoads: readonly Load[] = [load]) {
    await load(ours, jobs / 4);
    const our = await load(ours, jobs);
    let their = 0;
    for (const theirLoad of theirLoads) {
      await theirLoad(theirs, jobs / 4);
      their = Math.max(their, await theirLoad(theirs, jobs));
    }
    figures.push(
      { name: `${name}: GoTaskQ`, value: our, unit: "jobs/s" },
      { name: `${name}: BullMQ`, value: their, unit: "jobs/s" },
      { name: `${name}: GoTaskQ against BullMQ`, value: our / their, unit: "x" },
    );
  }

  await compare(`create, ${CALLERS} callers`, CREATED, createOneByOne);
  await compare(`create by ${BATCH}, 1 caller`, CREATED, createInBatches(1));
  await compare(`create by ${BATCH}, 4 callers`, CREATED, createInBatches(4));
  await compare("run waiting no-op jobs", RUN, run(SLOTS), BULLMQ_SLOTS.map(run));
  await compare("create and run", RUN, createAndRun(SLOTS), BULLMQ_SLOTS.map(createAndRun));
  report(figures, `Redis ${redis.version}, BullMQ ${bullMqVersion}`);
} finally {
  await redis.dispose();
}
