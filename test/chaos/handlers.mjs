import { appendFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

// The handlers of the servers and workers in the chaos test. Whether an attempt fails depends only on the retries used so far. So
// the test knows how each job must end and how many retries it must have used, whatever happens to servers and Redis.

/** Where each process writes when its runs began and ended; see runs.ts. */
const file = `${process.env.RUNS_DIR}/${process.pid}`;
let runs = 0;

const note = (...words) => appendFileSync(file, `${words.join(" ")} ${process.hrtime.bigint()}\n`);

/** Runs a job and writes down when. */
const recorded = (handler) => async (job) => {
  const number = runs++;
  note("begin", number, job.id);
  try {
    const { pad = "", size = 0 } = job.payload;
    if (pad.length !== size) throw new Error(`the payload has ${pad.length} characters, not ${size}`);
    return await handler(job);
  } finally {
    note("end", number, job.id);
  }
};

/** Returns the number of the job. */
export const noop = recorded((job) => job.payload.n);

/**
 * Takes `ms` of the payload. It ignores its signal: when it has lost its lease it tries to complete the job all the
 * same.
 */
export const sleep = recorded(async (job) => {
  await wait(job.payload.ms);
  return job.payload.n;
});

/** Fails as many times as the payload says, then succeeds. */
export const flaky = recorded((job) => {
  if (job.retryCount < job.payload.failures) throw new Error(`failure ${job.retryCount + 1} as planned`);
  return job.payload.n;
});

/** Does what the payload asks for. The handler of remote workers. */
export const run = (job) => ("failures" in job.payload ? flaky(job) : "ms" in job.payload ? sleep(job) : noop(job));

/** Never succeeds. */
export const broken = () => {
  throw new Error("broken as planned");
};
