import { jobExists, requestIdReused, TaskQueueError } from "../../model/common/errors.js";
import type { Backend } from "../backend.js";
import type { EnqueueResult, NewJob } from "../port/new-jobs.js";
import { settledEach } from "./settled-each.js";

/** Errors that say something of one of several jobs only. QUEUE_FULL does when it names a queue, which may have room for some. */
const OF_ONE: ReadonlySet<string> = new Set(["REQUEST_ID_REUSED", "JOB_EXISTS", "UPGRADE_REQUIRED"]);

/**
 * Creates each job that can be created, as so many calls at the same moment would; resolves to what came of each. The jobs of a
 * queue go to the store together. Only when it refuses them, which it does before it has created any, they go one by one.
 */
export async function enqueueEach(
  backend: Pick<Backend, "enqueue">,
  jobs: readonly NewJob[],
): Promise<readonly (EnqueueResult | TaskQueueError)[]> {
  const outcomes: (EnqueueResult | TaskQueueError)[] = new Array(jobs.length);
  const queues = new Map<string, number[]>();
  jobs.forEach(({ queue }, place) => {
    const places = queues.get(queue);
    if (places === undefined) queues.set(queue, [place]);
    else places.push(place);
  });
  await Promise.all(
    [...queues.values()].map(async (places) => {
      const own = places.map((place) => jobs[place] as NewJob);
      const results = await enqueueOfQueue(backend, own);
      places.forEach((place, at) => {
        const result = results[at] as EnqueueResult | TaskQueueError;
        outcomes[place] = alone(result, jobs[place]?.unique?.key);
      });
    }),
  );
  return outcomes;
}

async function enqueueOfQueue(
  backend: Pick<Backend, "enqueue">,
  jobs: readonly NewJob[],
): Promise<readonly (EnqueueResult | TaskQueueError)[]> {
  try {
    return await backend.enqueue(jobs);
  } catch (error) {
    if (!(error instanceof TaskQueueError)) throw error;
    const isOfOne = OF_ONE.has(error.reason) || (error.reason === "QUEUE_FULL" && error.metadata.queue !== undefined);
    if (jobs.length === 1 || !isOfOne) return jobs.map(() => error);
  }
  return settledEach(jobs, async (job) => (await backend.enqueue([job]))[0] as EnqueueResult);
}

/** What came of one job; an error that names its place in a batch, without that. `key`: its unique key. */
export function alone<T>(outcome: T, key: string | undefined): T | TaskQueueError {
  if (!(outcome instanceof TaskQueueError)) return outcome;
  if (outcome.reason === "REQUEST_ID_REUSED") return requestIdReused();
  return outcome.reason === "JOB_EXISTS" ? jobExists(key ?? "", outcome.metadata.job_id) : outcome;
}
