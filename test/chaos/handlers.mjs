import { setTimeout as wait } from "node:timers/promises";

// What the servers of the chaos test run. Whether an attempt fails follows from the retries used so far: so the test
// knows how each job must end and how many retries it must have used, whatever happens to servers and Redis.

/** Returns the number of the job. */
export const noop = (job) => job.payload.n;

/** Takes so many ms. It does not heed its signal: one that has lost its lease tries to complete the job all the same. */
export const sleep = async (job) => {
  await wait(job.payload.ms);
  return job.payload.n;
};

/** Fails so many times, then succeeds. */
export const flaky = (job) => {
  if (job.retryCount < job.payload.failures) throw new Error(`failure ${job.retryCount + 1} as planned`);
  return job.payload.n;
};
