import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus, PendingState } from "../../../gen/gotaskq/v1/job_pb.js";
import {
  type Queue,
  QueueOrdering,
  type QueueSettingsSchema,
  type RateLimitSchema,
} from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { PermanentError } from "../../../src/model/handler/handler-errors.js";
import { created, finished, present, reaches, reading, refusal } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../../support/server.js";
import { type Signal, signal } from "../../support/signal.js";
import { CONNECT_JSON, GRPC } from "../../support/transports.js";
import { within } from "../../support/wait.js";

const { PENDING, RUNNING, DONE } = JobStatus;
const { PRIORITY, RUN_AFTER } = QueueOrdering;

let server: TestServer;
let jobs: TestServer["jobs"];
let queues: TestServer["queues"];
let release: Signal = signal();
let lost: Signal = signal();

beforeAll(async () => {
  server = await startTestServer(
    { BASE_DELAY: "0" },
    {
      handlers: {
        echo: (job) => job.payload,
        hopeless: () => {
          throw new PermanentError("never again");
        },
        held: async (_job, { signal }) => {
          signal.addEventListener("abort", () => lost.fire());
          await release.fired;
        },
      },
    },
  );
  ({ jobs, queues } = server);
});

async function read(name: string): Promise<Queue> {
  return present((await queues.getQueue({ name })).queue);
}

/** Fills a queue with one job in each of these states. Returns the id of the running one. */
async function fill(queue: string): Promise<string> {
  release = signal();
  lost = signal();
  const running = await created(server, { queue, type: "held" });
  await reaches(server, running, RUNNING);
  for (const type of ["hopeless", "echo", "echo"]) await finished(server, await created(server, { queue, type }));
  await created(server, { queue, type: "unknown-to-all" });
  const delay = { case: "delay", value: durationFromMs(3_600_000) } as const;
  for (let count = 0; count < 3; count++) await created(server, { queue, type: "echo", schedule: delay });
  return running;
}

describe("CreateQueue", () => {
  test("creates a queue with the defaults", async () => {
    const { queue } = await queues.createQueue({ name: "plain" });
    expect(queue).toMatchObject({
      name: "plain",
      settings: { ordering: PRIORITY, weight: 1, maxConcurrency: 0, maxDepth: 0 },
      paused: false,
      stats: { ready: 0, scheduled: 0, running: 0, dead: 0, done: 0 },
    });
    expect(queue?.createdAt).toBeDefined();
    expect(queue?.stats?.oldestReadyAge).toBeUndefined();
    expect(await read("plain")).toEqual(queue);
  });

  test("creates a queue as told", async () => {
    const settings = { ordering: RUN_AFTER, weight: 1000, maxConcurrency: 1_000_000, maxDepth: 1_000_000_000 };
    const { queue } = await queues.createQueue({ name: "a.b_c-9", settings });
    expect(queue).toMatchObject({ name: "a.b_c-9", settings });
  });

  test("makes a queue that workers serve at once", async () => {
    const queue = await newQueue(server, "served");
    expect(await finished(server, await created(server, { queue, type: "echo" }))).toMatchObject({ status: DONE });
  });

  test("takes a rate, and answers the burst that follows from it", async () => {
    const rateOf = async (rateLimit: MessageInitShape<typeof RateLimitSchema> | undefined) => {
      const request = { queue: { name, settings: { rateLimit } }, updateMask: { paths: ["settings.rate_limit"] } };
      return (await queues.updateQueue(request)).queue?.settings?.rateLimit;
    };
    const name = await newQueue(server, "rated");
    expect((await read(name)).settings?.rateLimit).toBeUndefined();
    const period = durationFromMs(60_000);
    expect(await rateOf({ count: 100, period })).toMatchObject({ count: 100, period, burst: 1 });
    expect(await rateOf({ count: 100, period, burst: 9 })).toMatchObject({ count: 100, period, burst: 9 });
    expect(await rateOf({ count: 1000, period: durationFromMs(1000) })).toMatchObject({ count: 1000, burst: 100 });
    expect((await read(name)).settings?.rateLimit).toMatchObject({ count: 1000, burst: 100 });
    expect(await rateOf(undefined)).toBeUndefined();
  });

  test("takes names of 64 characters", async () => {
    const name = "x".repeat(64);
    expect((await queues.createQueue({ name })).queue?.name).toBe(name);
  });
});

describe("ListQueues", () => {
  test("lists every queue by name, default included", async () => {
    for (const name of ["z-last", "0-first"]) await newQueue(server, name);
    const names = (await queues.listQueues({})).queues.map(({ name }) => name);
    expect(names).toEqual([...names].sort());
    expect(names).toEqual(expect.arrayContaining(["0-first", "default", "z-last"]));
  });
});

describe("the figures of a queue", () => {
  test("count the jobs in each state", async () => {
    const name = await newQueue(server, "figures");
    const running = await fill(name);
    const { stats } = await read(name);
    expect(stats).toMatchObject({ ready: 1, scheduled: 3, running: 1, dead: 1, done: 2 });
    expect(stats?.readyTypes).toEqual(["unknown-to-all"]);
    expect(durationMs(present(stats?.oldestReadyAge))).toBeGreaterThanOrEqual(0);
    release.fire();
    await finished(server, running);
    expect((await read(name)).stats).toMatchObject({ running: 0, done: 3 });
  });
});

describe("UpdateQueue", () => {
  const before = { ordering: PRIORITY, weight: 2, maxConcurrency: 3, maxConcurrencyPerKey: 1, maxDepth: 4 };
  const after = { ordering: RUN_AFTER, weight: 20, maxConcurrency: 30, maxConcurrencyPerKey: 10, maxDepth: 40 };
  const defaults = { ordering: PRIORITY, weight: 1, maxConcurrency: 0, maxConcurrencyPerKey: 0, maxDepth: 0 };

  test.each([
    [["settings.weight"], { ...before, weight: 20 }],
    [["settings.ordering"], { ...before, ordering: RUN_AFTER }],
    [["settings.max_concurrency_per_key"], { ...before, maxConcurrencyPerKey: 10 }],
    [["settings.max_concurrency", "settings.max_depth"], { ...before, maxConcurrency: 30, maxDepth: 40 }],
    [["settings"], after],
    [["settings", "settings.weight"], after],
  ])("changes what the mask %j names", async (paths, expected) => {
    const name = await newQueue(server, `update-${paths.join("-").replaceAll("settings", "s")}0`);
    await queues.updateQueue({ queue: { name, settings: before } });
    const { queue } = await queues.updateQueue({ queue: { name, settings: after }, updateMask: { paths } });
    expect(queue?.settings).toMatchObject(expected);
    expect((await read(name)).settings).toMatchObject(expected);
  });

  test("takes an ordering by keys, and puts it back", async () => {
    const name = await newQueue(server, "update-fair");
    const settings = { ordering: QueueOrdering.FAIR };
    expect((await queues.updateQueue({ queue: { name, settings } })).queue?.settings).toMatchObject(settings);
    const mask = { paths: ["settings.ordering"] };
    await queues.updateQueue({ queue: { name }, updateMask: mask });
    expect((await read(name)).settings?.ordering).toBe(PRIORITY);
  });

  test("puts back the default of a setting that the mask names and the request leaves out", async () => {
    const name = await newQueue(server, "update-default");
    await queues.updateQueue({ queue: { name, settings: after } });
    const paths = ["settings.weight", "settings.max_depth"];
    const { queue } = await queues.updateQueue({ queue: { name }, updateMask: { paths } });
    expect(queue?.settings).toMatchObject({ ...after, weight: 1, maxDepth: 0 });
  });

  test.each([CONNECT_JSON, GRPC])(
    "without a mask changes only what is given and not zero, over $name",
    async (kind) => {
      const clients = server.connect(kind);
      const queue = await newQueue(server, `update-unmasked-${kind === GRPC ? "grpc" : "json"}`);
      const update = async (settings: MessageInitShape<typeof QueueSettingsSchema>, paths?: string[]) => {
        const request = { queue: { name: queue, settings }, ...(paths && { updateMask: { paths } }) };
        return (await clients.queues.updateQueue(request)).queue?.settings;
      };
      await update(after);
      expect(await update({ maxDepth: 7 })).toMatchObject({ ...after, maxDepth: 7 });
      expect(await update({ ordering: PRIORITY }, [])).toMatchObject({ ...after, maxDepth: 7, ordering: PRIORITY });
      expect(await update({ maxConcurrency: 0, maxDepth: 0 })).toMatchObject({ maxConcurrency: 30, maxDepth: 7 });
      expect(await update({ maxConcurrency: 0 }, ["settings.max_concurrency"])).toMatchObject({
        weight: 20,
        maxDepth: 7,
      });
      expect((await read(queue)).settings?.maxConcurrency).toBe(0);
      expect(await update({ maxDepth: 8 }, ["settings"])).toMatchObject({ ...defaults, maxDepth: 8 });
      expect((await clients.queues.updateQueue({ queue: { name: queue } })).queue?.settings?.maxDepth).toBe(8);
    },
  );

  test.each([CONNECT_JSON, GRPC])(
    "keeps what is to be kept of its jobs, a zero too, until it is put back, over $name",
    async (kind) => {
      const clients = server.connect(kind);
      const name = await newQueue(server, `update-kept-${kind === GRPC ? "grpc" : "json"}`);
      const update = async (settings: MessageInitShape<typeof QueueSettingsSchema>, paths?: string[]) => {
        const request = { queue: { name, settings }, ...(paths && { updateMask: { paths } }) };
        return (await clients.queues.updateQueue(request)).queue?.settings;
      };
      const kept = {
        ...{ completedTtl: durationFromMs(0), maxCompleted: 0, deadTtl: durationFromMs(1500), maxDead: 7 },
        ...{ defaultMaxRetries: 0, defaultTimeout: durationFromMs(0), defaultTtl: durationFromMs(90_000) },
        defaultBackoff: { delays: [durationFromMs(1), durationFromMs(60_000)] },
      };
      expect(await update(kept)).toMatchObject(kept);
      expect(await update({ weight: 3 })).toMatchObject({ ...kept, weight: 3 });
      const two = await update({}, ["settings.completed_ttl", "settings.max_dead"]);
      expect(two).toMatchObject({ maxCompleted: 0, deadTtl: kept.deadTtl, weight: 3 });
      expect([two?.completedTtl, two?.maxDead]).toEqual([undefined, undefined]);
      const none = await update({ weight: 3 }, ["settings"]);
      expect([none?.maxCompleted, none?.deadTtl]).toEqual([undefined, undefined]);
      await clients.queues.deleteQueue({ name });
      const { queue } = await clients.queues.createQueue({ name, settings: kept });
      expect(queue?.settings).toMatchObject(kept);
      expect((await clients.queues.getQueue({ name })).queue?.settings).toEqual(queue?.settings);
      const { job } = await clients.jobs.createJob({ queue: name, type: "unknown-to-all" });
      expect(job).toMatchObject({ maxRetries: 0, backoff: kept.defaultBackoff });
      expect(timestampMs(present(job?.expiresAt)) - timestampMs(present(job?.createdAt))).toBe(90_000);
      const read = (await clients.jobs.getJob({ id: job?.id ?? "" })).job;
      expect(read).toEqual({ ...job, pendingState: PendingState.READY });
      const own = { maxRetries: 4, backoff: { multiplier: 1 }, timeout: durationFromMs(5) };
      expect((await clients.jobs.createJob({ queue: name, type: "unknown-to-all", ...own })).job).toMatchObject(own);
    },
  );

  test("does not look at the other fields of the queue", async () => {
    const name = await newQueue(server, "update-others");
    const { queue } = await queues.updateQueue({ queue: { name, paused: true, stats: { ready: 7 } } });
    expect(queue).toMatchObject({ paused: false, stats: { ready: 0 } });
  });

  test("refuses paths that are none, each named, and changes nothing", async () => {
    const name = await newQueue(server, "update-refused");
    const updateMask = { paths: ["settings.weight", "paused", "settings.nothing", "settings.maxDepth"] };
    expect(await refusal(queues.updateQueue({ queue: { name, settings: after }, updateMask }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "FIELD_INVALID",
      fields: ["update_mask.paths[1]", "update_mask.paths[2]", "update_mask.paths[3]"],
    });
    expect((await read(name)).settings).toMatchObject({ ordering: PRIORITY, weight: 1 });
  });

  test("says what a mask may name, however long what it names is", async () => {
    const name = await newQueue(server, "update-names");
    const paths = ["settings.rate_limit.count", `settings.${"x".repeat(500)}`];
    const { fields, descriptions } = await refusal(queues.updateQueue({ queue: { name }, updateMask: { paths } }));
    expect(fields).toEqual(["update_mask.paths[0]", "update_mask.paths[1]"]);
    expect(descriptions[0]).toContain('"settings.rate_limit.count"');
    for (const description of descriptions) expect(description).toContain('"settings" or one of its fields');
  });

  test("changes the ordering only while no job waits", async () => {
    const name = await newQueue(server, "update-waiting");
    const id = await created(server, { queue: name, type: "unknown-to-all" });
    const change = { queue: { name, settings: { ordering: RUN_AFTER } }, updateMask: { paths: ["settings.ordering"] } };
    expect(await refusal(queues.updateQueue(change))).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "QUEUE_NOT_EMPTY",
      metadata: { queue: name },
    });
    const same = { queue: { name, settings: { ordering: PRIORITY, weight: 5 } } };
    expect((await queues.updateQueue(same)).queue?.settings).toMatchObject({ weight: 5 });
    await jobs.cancelJob({ id });
    expect((await queues.updateQueue(change)).queue?.settings).toMatchObject({ ordering: RUN_AFTER });
  });

  test("lets more jobs run at once when it raises the limit", async () => {
    release = signal();
    const name = await newQueue(server, "update-limit");
    await queues.updateQueue({ queue: { name, settings: { maxConcurrency: 1 } } });
    const first = await created(server, { queue: name, type: "held" });
    const second = await created(server, { queue: name, type: "held" });
    await reaches(server, first, RUNNING);
    expect((await read(name)).stats).toMatchObject({ running: 1, ready: 0, limited: 1 });
    await queues.updateQueue({ queue: { name, settings: { maxConcurrency: 2 } } });
    await reaches(server, second, RUNNING);
    expect((await read(name)).stats).toMatchObject({ running: 2, ready: 0 });
    release.fire();
    for (const id of [first, second]) await finished(server, id);
  });
});

describe("PauseQueue and ResumeQueue", () => {
  test("hold jobs back and hand them out again; running ones finish and new ones are accepted", async () => {
    release = signal();
    const name = await newQueue(server, "paused");
    const running = await created(server, { queue: name, type: "held" });
    await reaches(server, running, RUNNING);
    expect((await queues.pauseQueue({ name })).queue).toMatchObject({ name, paused: true });
    expect((await queues.pauseQueue({ name })).queue).toMatchObject({ name, paused: true });
    release.fire();
    expect(await finished(server, running)).toMatchObject({ status: DONE });
    const waiting = await created(server, { queue: name, type: "echo" });
    await finished(server, await created(server, { type: "echo" }));
    expect((await jobs.getJob({ id: waiting })).job).toMatchObject({ status: PENDING, deliveries: 0 });
    expect((await queues.resumeQueue({ name })).queue).toMatchObject({ name, paused: false });
    expect(await finished(server, waiting)).toMatchObject({ status: DONE });
    expect((await queues.resumeQueue({ name })).queue).toMatchObject({ paused: false });
  });
});

describe("PurgeQueue", () => {
  test("deletes every waiting job, scheduled ones included, and answers how many", async () => {
    const name = await newQueue(server, "purged");
    const running = await fill(name);
    expect((await queues.purgeQueue({ name })).count).toBe(4);
    expect((await queues.purgeQueue({ name })).count).toBe(0);
    expect((await read(name)).stats).toMatchObject({ ready: 0, scheduled: 0, running: 1, dead: 1, done: 2 });
    const left = await jobs.listJobs({ queue: name });
    expect(left.jobs.filter(({ status }) => status === PENDING)).toEqual([]);
    release.fire();
    expect(await finished(server, running)).toMatchObject({ status: DONE });
  });
});

describe("DeleteQueue", () => {
  test("deletes a queue with nothing but finished jobs", async () => {
    const name = await newQueue(server, "delete-done");
    const id = await created(server, { queue: name, type: "echo" });
    await finished(server, id);
    await queues.deleteQueue({ name });
    expect(await refusal(queues.getQueue({ name }))).toMatchObject({ reason: "QUEUE_NOT_FOUND" });
    expect(await refusal(jobs.getJob({ id }))).toMatchObject({ reason: "JOB_NOT_FOUND" });
    expect(await refusal(jobs.createJob({ queue: name, type: "echo" }))).toMatchObject({ reason: "QUEUE_NOT_FOUND" });
  });

  test.each([
    ["waits", "unknown-to-all"],
    ["runs", "held"],
    ["is dead", "hopeless"],
  ])("deletes no queue in which a job %s, unless forced", async (_what, type) => {
    release = signal();
    const name = await newQueue(server, `delete-${type}`);
    const id = await created(server, { queue: name, type });
    if (type === "hopeless") await finished(server, id);
    expect(await refusal(queues.deleteQueue({ name }))).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "QUEUE_NOT_EMPTY",
      metadata: { queue: name },
    });
    await queues.deleteQueue({ name, force: true });
    expect(await refusal(queues.getQueue({ name }))).toMatchObject({ reason: "QUEUE_NOT_FOUND" });
    release.fire();
  });

  test("by force deletes its jobs with it; the worker of a running one is told", async () => {
    const name = await newQueue(server, "delete-force");
    const running = await fill(name);
    const watch = reading(jobs.watchJob({ id: running }));
    await watch.until(({ event }) => event.case === "job");
    await queues.deleteQueue({ name, force: true });
    await within(lost.fired, "the handler's signal");
    await watch.rest();
    expect(await refusal(jobs.getJob({ id: running }))).toMatchObject({ reason: "JOB_NOT_FOUND" });
    release.fire();
    await newQueue(server, name);
    expect((await read(name)).stats).toMatchObject({ ready: 0, scheduled: 0, running: 0, dead: 0, done: 0 });
  });

  test("never deletes default", async () => {
    for (const force of [false, true]) {
      expect(await refusal(queues.deleteQueue({ name: "default", force }))).toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "FIELD_INVALID",
        fields: ["name"],
      });
    }
    expect((await read("default")).name).toBe("default");
  });
});
