import { beforeAll, expect, test } from "vitest";
import type { JobPage } from "../../../src/core/operations/paging.js";
import type { Job } from "../../../src/model/job/job.js";
import { compareNumbers, numberOf } from "../../../src/model/queue/ids.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { fatal } from "../contract/support.js";
import { newPrefix, openEngine } from "./support/open.js";

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});

/** The jobs of all pages; `then` is done between two. */
async function readAll(list: (pageToken: string) => Promise<JobPage>, then: () => Promise<unknown>): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let pageToken = "", pages = 0; ; pages++) {
    const page = await list(pageToken);
    jobs.push(...page.jobs);
    pageToken = page.nextPageToken;
    if (pageToken === "") return jobs;
    expect(pages).toBeLessThan(500);
    await then();
  }
}

const byId = (a: Job, b: Job) => compareNumbers(numberOf(b.id), numberOf(a.id));
const byCreation = (a: Job, b: Job) => b.createdAt - a.createdAt || byId(a, b);
const byDeath = (a: Job, b: Job) => (b.finishedAt ?? 0) - (a.finishedAt ?? 0) || byId(a, b);

test("jobs and deaths of many queues are listed as one sort of all of them, on any server", async () => {
  const at = { url: redis.url, prefix: newPrefix() };
  const queues = Array.from({ length: 40 }, (_, index) => `q${index}`);
  const one = await openEngine(at, { numWorkers: 0, queues });
  const two = await openEngine(at, { numWorkers: 0 });
  const made: Job[] = [];
  for (let index = 0; index < 240; index++) {
    const queue = queues[(index * index) % 7] ?? "";
    const engine = index % 2 === 0 ? one : two;
    made.push((await engine.jobs.create({ queue, type: index % 3 === 0 ? "mail" : "image" })).job);
  }
  for (const queue of queues.slice(0, 7)) {
    const request = { queues: [queue], types: ["mail"], max: 9, leaseMs: 9000, worker: "w" };
    for (const lease of await one.backend.lease(request)) await one.backend.fail([fatal(lease)]);
  }
  const now = (await two.backend.get(made.map(({ id }) => id))) as Job[];
  let more = 0;
  const meanwhile = async () => {
    await two.queues.create(`new-${more++}`);
    await two.jobs.create({ queue: "new-0", type: "mail" });
    await two.queues.remove(`q${39 - more}`, true).catch(() => undefined);
  };
  for (const pageSize of [7, 100]) {
    expect(await readAll((pageToken) => one.jobs.list({ pageSize, pageToken, type: "image" }), meanwhile)).toEqual(
      now.filter(({ type }) => type === "image").sort(byCreation),
    );
    const dead = now.filter(({ status }) => status === "DEAD").sort(byDeath);
    expect(dead.length).toBeGreaterThan(30);
    expect(
      await readAll(
        (pageToken) => one.dlq.list({ pageSize, pageToken }),
        async () => undefined,
      ),
    ).toEqual(dead);
    const asJobs = (pageToken: string) => one.jobs.list({ pageSize, pageToken, statuses: ["DEAD"] });
    expect(await readAll(asJobs, async () => undefined)).toEqual([...dead].sort(byCreation));
  }
  expect(await one.dlq.replayMatching({}, { all: true, max: 3 })).toMatchObject({ count: 3, hasMore: true });
  const left = await readAll(
    (pageToken) => two.dlq.list({ pageToken }),
    async () => undefined,
  );
  expect(left.map(({ id }) => id)).toEqual(
    now
      .filter(({ status }) => status === "DEAD")
      .sort(byDeath)
      .slice(0, -3)
      .map(({ id }) => id),
  );
});

test("an ordinary call is not behind all the scans that were asked for before it", async () => {
  const { backend, jobs } = await openEngine({ url: redis.url, prefix: newPrefix() }, { numWorkers: 0 });
  const made = await jobs.createBatch(Array.from({ length: 240 }, () => ({ type: "kept" })));
  let counted = 0;
  const scans = Array.from({ length: 20 }, async () => {
    const { count } = await backend.count({ queue: "default", isDead: false, metadata: { none: "such" } });
    expect(count).toBe(0);
    counted++;
  });
  await backend.get([made[0]?.id ?? ""]);
  expect(counted).toBeLessThan(10);
  await Promise.all(scans);
});
