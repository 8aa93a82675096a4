import { expect, test } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import type { JobChange } from "../../gen/gotaskq/v1/job_service_pb.js";
import { createClients } from "../support/server.js";
import { startServerProcess } from "../support/server-process.js";
import { signal } from "../support/signal.js";
import { GRPC } from "../support/transports.js";

/** The stress case of the original server: three queues with 50,000 jobs each. */
const QUEUES = ["high", "medium", "low"];
const JOBS = 50_000;
const BATCH = 500;

const STORY = [JobStatus.PENDING, JobStatus.RUNNING, JobStatus.DONE];

/** Checks each change against the history of its job: every revision once, in order. */
class Stories {
  readonly #revisions = new Map<string, number>();
  readonly faults: string[] = [];
  done = 0;

  get jobs(): number {
    return this.#revisions.size;
  }

  add({ jobId, revision, status }: JobChange): void {
    const last = this.#revisions.get(jobId) ?? 0;
    if (revision !== last + 1) this.faults.push(`job ${jobId}: revision ${revision} after ${last}`);
    if (status !== STORY[revision - 1]) this.faults.push(`job ${jobId}: status ${status} at revision ${revision}`);
    this.#revisions.set(jobId, revision);
    if (status === JobStatus.DONE) this.done++;
  }
}

test("three queues of 50,000 jobs run to DONE, are counted, and are watched in order, each change once", async () => {
  const server = await startServerProcess({ LOG_LEVEL: "warn" });
  const { jobs, queues } = createClients(GRPC, server.url);
  for (const name of QUEUES) await queues.createQueue({ name });

  const stories = new Stories();
  const leave = new AbortController();
  const isWatching = signal();
  const watch = (async () => {
    for await (const { event } of jobs.watchJobs({ queues: QUEUES }, { signal: leave.signal })) {
      if (event.case === "heartbeat") isWatching.fire();
      if (event.case === "change") stories.add(event.value);
      if (stories.done === QUEUES.length * JOBS) return;
    }
  })();
  await isWatching.fired;

  const create = async (queue: string) => {
    const created = new Set<string>();
    for (let made = 0; made < JOBS; made += BATCH) {
      const requests = Array.from({ length: BATCH }, (_, index) => ({
        queue,
        type: "echo",
        payloadKind: {
          case: "payload" as const,
          value: { kind: { case: "numberValue" as const, value: made + index } },
        },
      }));
      const { results } = await jobs.batchCreateJobs({ requests });
      for (const { jobId } of results) created.add(jobId);
    }
    return created.size;
  };
  const [created] = await Promise.all([Promise.all(QUEUES.map(create)), watch]);
  expect(created).toEqual(QUEUES.map(() => JOBS));
  leave.abort();

  expect(stories.faults).toEqual([]);
  expect(stories.jobs).toBe(QUEUES.length * JOBS);
  for (const name of QUEUES) {
    const { queue } = await queues.getQueue({ name });
    expect(queue?.stats).toMatchObject({ ready: 0, scheduled: 0, running: 0, dead: 0, done: JOBS });
  }
  const page = (await (await fetch(`${server.url}/metrics`)).text()).split("\n");
  for (const queue of QUEUES) {
    expect(page).toContain(`gotaskq_jobs_enqueued_total{queue="${queue}",type="echo"} ${JOBS}`);
    expect(page).toContain(`gotaskq_jobs_processed_total{queue="${queue}",type="echo",status="done"} ${JOBS}`);
  }
  expect(await server.end()).toBe(0);
});
