import { beforeAll, describe, expect, test } from "vitest";
import { HeldBy, JobStatus, PendingState } from "../../../gen/gotaskq/v1/job_pb.js";
import { created, present, reading, refusal } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../../support/server.js";

const { READY, SCHEDULED, RETRYING, LIMITED } = PendingState;
const NOTHING = HeldBy.UNSPECIFIED;

let server: TestServer;
let jobs: TestServer["jobs"];

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
  jobs = server.jobs;
});

/** Creates a queue that runs one job at once, with a job in each state. Returns their ids. */
async function oneOfEach(name: string) {
  const queue = await newQueue(server, name);
  const type = "work";
  const lease = async () => {
    const { leases } = await server.workers.leaseJobs({ worker: "w", queues: [queue], types: [type] });
    const { job, leaseToken } = present(leases[0]);
    return { jobId: present(job).id, leaseToken };
  };
  const retrying = await created(server, { queue, type, backoff: { delays: [{ seconds: 3600n }] } });
  await server.workers.failJobs({ failures: [{ ...(await lease()), error: "it broke" }] });
  const running = await created(server, { queue, type });
  await lease();
  const due = await created(server, { queue, type });
  const scheduled = await created(server, { queue, type, schedule: { case: "delay", value: { seconds: 3600n } } });
  return { queue, retrying, running, due, scheduled };
}

describe("a PENDING job", () => {
  test("says what it waits for and what holds it back, wherever it is read", async () => {
    const { queue, retrying, running, due, scheduled } = await oneOfEach("told");
    const told = async (id: string) => {
      const job = present((await jobs.getJob({ id })).job);
      const listed = (await jobs.listJobs({ filter: { ids: [id] } })).jobs;
      expect(listed).toEqual([job]);
      const leave = new AbortController();
      const messages = await reading(jobs.watchJob({ id }, { signal: leave.signal })).until(
        ({ event }) => event.case === "job",
      );
      leave.abort();
      expect(messages.at(-1)?.event.value).toEqual(job);
      return [job.pendingState, job.heldBy];
    };
    expect(await told(retrying)).toEqual([RETRYING, NOTHING]);
    expect(await told(scheduled)).toEqual([SCHEDULED, NOTHING]);
    expect(await told(running)).toEqual([PendingState.UNSPECIFIED, NOTHING]);
    expect(await told(due)).toEqual([READY, NOTHING]);
    await server.queues.updateQueue({
      queue: { name: queue, settings: { maxConcurrency: 1 } },
      updateMask: { paths: ["settings.max_concurrency"] },
    });
    expect(await told(due)).toEqual([LIMITED, HeldBy.MAX_CONCURRENCY]);
    await server.queues.pauseQueue({ name: queue });
    expect(await told(due)).toEqual([LIMITED, HeldBy.PAUSED]);
    expect(await told(scheduled)).toEqual([SCHEDULED, NOTHING]);
    const { job } = await jobs.runJob({ id: scheduled });
    expect([job?.pendingState, job?.heldBy]).toEqual([LIMITED, HeldBy.PAUSED]);
  });

  test("is chosen by what it waits for, in lists, counts and cancels", async () => {
    const { queue, retrying, due, scheduled } = await oneOfEach("chosen");
    const list = async (...pendingStates: PendingState[]) => {
      const filter = { queues: [queue], pendingStates };
      const ids = (await jobs.listJobs({ filter })).jobs.map(({ id }) => id);
      expect((await jobs.countJobs({ filter })).count).toBe(ids.length);
      return ids;
    };
    expect(await list(READY)).toEqual([due]);
    expect(await list(SCHEDULED, RETRYING)).toEqual([scheduled, retrying]);
    expect(await list(LIMITED)).toEqual([]);
    const filter = { queues: [queue], pendingStates: [SCHEDULED, READY] };
    expect(await jobs.cancelJobs({ filter, dryRun: true })).toMatchObject({ count: 2 });
    expect(await jobs.cancelJobs({ filter })).toMatchObject({ count: 2, hasMore: false });
    for (const id of [due, scheduled]) expect((await jobs.getJob({ id })).job?.status).toBe(JobStatus.CANCELED);
    expect(await list(RETRYING)).toEqual([retrying]);
    // It chooses, so that it needs no `all`.
    expect((await jobs.cancelJobs({ filter: { pendingStates: [RETRYING] }, dryRun: true })).count).toBeGreaterThan(0);
  });
});

describe("pending states of a filter", () => {
  test("that do not exist are refused, as are too many, and any where no PENDING job is meant", async () => {
    const unknown = await refusal(jobs.listJobs({ filter: { pendingStates: [READY, 0, 9 as PendingState] } }));
    expect(unknown.fields).toEqual(["filter.pending_states[1]", "filter.pending_states[2]"]);
    const many = await refusal(jobs.countJobs({ filter: { pendingStates: Array.from({ length: 101 }, () => READY) } }));
    expect(many.fields).toEqual(["filter.pending_states"]);
    const deletes = await refusal(jobs.deleteJobs({ filter: { pendingStates: [READY] } }));
    expect(deletes.fields).toEqual(["filter.pending_states"]);
    expect(deletes.message).toContain("this is for those that are DONE, CANCELED, DEAD");
  });
});
