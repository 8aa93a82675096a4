import { createTaskQueue } from "gotaskq";
import { check, report } from "../figures.js";

// Jobs that do nothing, created in batches of 1000 and run by the built-in pool, all in one process.

const JOBS = 200_000;

async function measure(): Promise<number> {
  let ran = 0;
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  const queue = createTaskQueue({
    numWorkers: 100,
    handlers: {
      noop() {
        if (++ran === JOBS) resolve();
      },
    },
    maxCompletedJobs: JOBS,
  });
  await queue.start();
  const start = performance.now();
  for (let made = 0; made < JOBS; made += 1000) {
    await queue.createBatch(Array.from({ length: 1000 }, () => ({ type: "noop" })));
  }
  await promise;
  await queue.stop();
  const seconds = (performance.now() - start) / 1000;
  const { stats } = await queue.queues.get("default");
  check(stats.done === JOBS, `${stats.done} jobs are done, not ${JOBS}`);
  return JOBS / seconds;
}

await measure();
report([{ name: "no-op jobs, created, run and done in one process", value: await measure(), unit: "jobs/s" }]);
