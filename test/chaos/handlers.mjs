import { setTimeout as wait } from "node:timers/promises";

// The handlers of the servers in the chaos test. Whether an attempt fails depends only on the retries used so far. So
// the test knows how each job must end and how many retries it must have used, whatever happens to servers and Redis.

/** Returns the number of the job. */
export const noop = (job) => job.payload.n;

/**
 * Takes `ms` of the payload. It ignores its signal: when it has lost its lease it tries to complete the job all the
 * same.
 */
export const sleep = async (job) => {
  await wait(job.payload.ms);
  return job.payload.n;
};

/** Fails as many times as the payload says, then succeeds. */
export const flaky = (job) => {
  if (job.retryCount < job.payload.failures) throw new Error(`failure ${job.retryCount + 1} as planned`);
  return job.payload.n;
};
