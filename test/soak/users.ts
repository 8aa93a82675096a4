import { setTimeout as sleep } from "node:timers/promises";
import { createClient, createWorker, silentLogger, type TaskQueueClient } from "../../src/client/index.js";
import type { Crowd, Habit } from "./crowd.js";

/** The queues of the server under test. */
export const QUEUES = ["good", "fast", "remote", "kept"] as const;

const text = (bytes: number) => ({ text: "x".repeat(bytes) });

/** How long a watch or a slow reader stays, ms, at the most. */
const STAY_MS = 3000;

/** A client that repeats nothing: what is refused is counted. */
function clientOf({ url, token }: Crowd): TaskQueueClient {
  return createClient(url, { headers: { authorization: `Bearer ${token}` }, retryMs: 0, timeoutMs: 15_000 });
}

/** Runs something with a client of its own, whose connection ends with it. */
async function visit<T>(crowd: Crowd, use: (client: TaskQueueClient, end: AbortSignal) => Promise<T>): Promise<T> {
  const client = clientOf(crowd);
  // Not `AbortSignal.any`: Node 20 may forget such a signal before it is aborted.
  const end = new AbortController();
  const abort = () => end.abort();
  const timer = setTimeout(abort, crowd.random.between(STAY_MS / 10, STAY_MS));
  crowd.signal.addEventListener("abort", abort);
  try {
    return await use(client, end.signal);
  } finally {
    clearTimeout(timer);
    crowd.signal.removeEventListener("abort", abort);
    client.close();
  }
}

/** Reads events until the end, with a rest after each. */
async function readUntil(end: AbortSignal, events: AsyncIterable<unknown>, restMs: number): Promise<void> {
  try {
    for await (const _ of events) {
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
      if (end.aborted) return;
    }
  } catch (error) {
    if (!end.aborted) throw error;
  }
}

/** What ordinary users do. Those that stay share a connection; others come and go. */
export function habitsOfUsers(crowd: Crowd, steady: TaskQueueClient): readonly Habit[] {
  const { random } = crowd;
  let queues = 0;
  const job = (queue: string, type: string, payload: Readonly<Record<string, string | number>>) => ({
    queue,
    type,
    payload,
    maxRetries: 0,
  });

  return [
    { name: "single creates", pauseMs: 10, act: () => steady.create(job("fast", "echo", text(100))) },
    { name: "jobs for workers outside", pauseMs: 15, act: () => steady.create(job("remote", "outside", text(200))) },
    {
      name: "batches",
      pauseMs: 200,
      act: () => steady.createBatch(Array.from({ length: 50 }, () => job("fast", "echo", text(100)))),
    },
    {
      name: "batches of 4 MB",
      pauseMs: 1500,
      async act() {
        await steady.createBatch(Array.from({ length: 400 }, () => job("kept", "nobody", text(9000))));
        await steady.queues.purge("kept");
      },
    },
    {
      name: "jobs that fail and are retried",
      pauseMs: 40,
      act: () => steady.create({ queue: "fast", type: "fail", payload: { times: 2 }, maxRetries: 2 }),
    },
    { name: "jobs that die", pauseMs: 40, act: () => steady.create(job("fast", "fail", { message: "as asked" })) },
    {
      name: "cancels",
      pauseMs: 60,
      async act() {
        const sleeps = random.next() < 0.5;
        const created = sleeps
          ? job("fast", "sleep", { ms: 5000 })
          : { ...job("fast", "echo", text(10)), delayMs: 600_000 };
        await steady.cancel((await steady.create(created)).job.id);
      },
    },
    {
      name: "waits for results",
      pauseMs: 50,
      act: () => steady.createAndWait(job("fast", "echo", text(50)), { signal: crowd.signal }),
    },
    { name: "replays", pauseMs: 700, act: () => steady.dlq.replayMatching({ queue: "fast" }, { max: 20 }) },
    { name: "summaries of the dead", pauseMs: 500, act: () => steady.dlq.summarize() },
    { name: "purges of the dead", pauseMs: 900, act: () => steady.dlq.deleteMatching({}, { all: true }) },
    {
      name: "bulk cancels",
      pauseMs: 1000,
      async act() {
        await steady.createBatch(Array.from({ length: 100 }, () => job("kept", "canceled", text(100))));
        await steady.cancelMatching({ queues: ["kept"], types: ["canceled"] }, { max: 1000 });
      },
    },
    {
      name: "bulk deletes",
      pauseMs: 1000,
      act: () => steady.deleteMatching({ statuses: ["CANCELED"] }, { max: 1000 }),
    },
    { name: "counts", pauseMs: 200, act: () => steady.count({ errorContains: "asked" }) },
    {
      name: "pages",
      pauseMs: 100,
      async act() {
        let pageToken = "";
        for (let pages = 0; pages < 5; pages++) {
          ({ nextPageToken: pageToken } = await steady.list({ pageSize: 500, pageToken }).page());
          if (pageToken === "") return;
        }
      },
    },
    {
      name: "queues that come and go",
      pauseMs: 300,
      async act() {
        const name = `temporary-${queues++}`;
        await steady.queues.create(name);
        await steady.createBatch(Array.from({ length: 20 }, () => job(name, "nobody", text(50))));
        await steady.queues.delete(name, { force: true });
      },
    },
    { name: "queue figures", pauseMs: 200, act: () => steady.queues.list() },
    {
      name: "watches of jobs",
      pauseMs: 100,
      act: () => visit(crowd, (client, end) => readUntil(end, client.watchJobs({}, { signal: end }), 0)),
    },
    {
      name: "watches that read slowly",
      pauseMs: 200,
      act: () => visit(crowd, (client, end) => readUntil(end, client.watchJobs({}, { signal: end }), 100)),
    },
    {
      name: "watches of queues, as a console's",
      pauseMs: 100,
      act: () => visit(crowd, (client, end) => readUntil(end, client.queues.watch({ signal: end }), 0)),
    },
    {
      name: "watches of one job",
      pauseMs: 100,
      act: () =>
        visit(crowd, async (client, end) => {
          const { job: created } = await client.create(job("fast", "sleep", { ms: 300 }));
          await readUntil(end, client.watchJob(created.id, { signal: end }), 0);
        }),
    },
    {
      name: "clients that come and go",
      pauseMs: 50,
      act: () =>
        visit(crowd, async (client) => client.get((await client.create(job("fast", "echo", text(10)))).job.id)),
    },
    {
      name: "workers that come and go",
      pauseMs: 500,
      async act() {
        const { url, token, signal } = crowd;
        const worker = createWorker({
          ...{ url, queues: ["remote"], headers: { authorization: `Bearer ${token}` }, logger: silentLogger },
          handlers: { outside: () => "done" },
          concurrency: 20,
        });
        await worker.start();
        await sleep(random.between(500, 2 * STAY_MS), undefined, { signal }).catch(() => {});
        await worker.stop({ timeoutMs: random.next() < 0.3 ? 0 : 1000 });
      },
    },
    {
      name: "calls with a wrong token",
      pauseMs: 1000,
      act: () => visit({ ...crowd, token: "wrong-token-of-nobody" }, (client) => client.queues.list()),
    },
  ];
}

/** The client of those who stay. */
export const createSteadyClient = clientOf;
