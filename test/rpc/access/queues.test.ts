import { createClient } from "@connectrpc/connect";
import { beforeEach, describe, expect, test } from "vitest";
import { DlqService } from "../../../gen/gotaskq/v1/dlq_service_pb.js";
import { JobService } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { type Queue, QueueService } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { ScheduleService } from "../../../gen/gotaskq/v1/schedule_service_pb.js";
import { ServerService } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { WorkerService } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { transportAs } from "../../support/access.js";
import { startSharedRedis } from "../../support/redis.js";
import { refusal } from "../../support/rpc.js";
import { startTestServer, type TestServer } from "../../support/server.js";
import { eventually, within } from "../../support/wait.js";

const tokenOf = (name: string) => `token-of-${name}-0123456789`;
const AUTH_TOKENS = [
  `name=all token=${tokenOf("all")} scopes=admin`,
  `name=starts token=${tokenOf("starts")} scopes=admin queues=mail,b*`,
  `name=names token=${tokenOf("names")} scopes=admin queues=mail,ba,bz`,
  `name=work token=${tokenOf("work")} scopes=work queues=other`,
].join(";");

const OWN = ["ba", "mail"];
const QUEUES = ["ba", "default", "mail", "other"];

/** Clients of all services with the token of this name. */
function as(server: TestServer, name: string) {
  const transport = transportAs(server.url, tokenOf(name), "grpc");
  return {
    jobs: createClient(JobService, transport),
    queues: createClient(QueueService, transport),
    dlq: createClient(DlqService, transport),
    schedules: createClient(ScheduleService, transport),
    workers: createClient(WorkerService, transport),
    info: createClient(ServerService, transport),
  };
}

const sorted = (queues: Iterable<string>) => [...new Set(queues)].sort();

const STORES = [
  ["memory", async () => ({})],
  [
    "Redis",
    async () => ({ USE_REDIS: "true", REDIS_URL: (await startSharedRedis()).url, REDIS_PREFIX: `access${Date.now()}` }),
  ],
] as const;

describe.each(STORES)("a token with queues, on %s", (_, environment) => {
  let server: TestServer;
  let all: ReturnType<typeof as>;

  /** A waiting job of the type `t` in each queue, and a dead one. */
  async function fill(): Promise<void> {
    for (const queue of QUEUES) {
      await all.jobs.createJob({ queue, type: "t" });
      await all.jobs.createJob({ queue, type: "dying", maxRetries: 0 });
    }
    const { leases } = await all.workers.leaseJobs({ worker: "undertaker", types: ["dying"], maxJobs: 10 });
    let dead = [...leases];
    while (dead.length < QUEUES.length) {
      dead = dead.concat((await all.workers.leaseJobs({ worker: "undertaker", types: ["dying"], maxJobs: 10 })).leases);
    }
    await all.workers.failJobs({
      failures: dead.map(({ job, leaseToken }) => ({ jobId: job?.id ?? "", leaseToken, error: "dead" })),
    });
  }

  beforeEach(async () => {
    server = await startTestServer({
      AUTH_TOKENS,
      NUM_WORKERS: "0",
      QUEUES: "mail,ba,other",
      ...(await environment()),
    });
    all = as(server, "all");
    await fill();
  });

  test.each(["starts", "names"])("lists, counts and watches only these: %s", async (name) => {
    const { jobs, queues, dlq, schedules } = as(server, name);
    const spec = { case: "cron", value: "@yearly" } as const;
    for (const queue of QUEUES) {
      await all.schedules.createSchedule({ schedule: { queue, name: "s", spec, job: { type: "t" } } });
    }
    expect((await schedules.listSchedules({})).schedules.map(({ queue }) => queue)).toEqual(OWN);
    expect((await queues.listQueues({})).queues.map((queue) => queue.name)).toEqual(OWN);
    expect(sorted((await jobs.listJobs({})).jobs.map(({ queue }) => queue))).toEqual(OWN);
    expect((await jobs.countJobs({})).count).toBe(4);
    expect(sorted((await dlq.listDeadJobs({})).jobs.map(({ queue }) => queue))).toEqual(OWN);
    expect((await dlq.summarizeDeadJobs({})).groups.map(({ queue }) => queue).sort()).toEqual(OWN);

    await all.queues.createQueue({ name: "other-b" });
    for (const [changesOnly, later] of [
      [false, "bz"],
      [true, "ba"],
    ] as const) {
      const seen = new Set<string>();
      const leave = new AbortController();
      const minInterval = { seconds: 0n, nanos: 100_000_000 };
      const messages = queues.watchQueues({ changesOnly, minInterval }, { signal: leave.signal });
      const iterator = messages[Symbol.asyncIterator]();
      /** Reads until `isEnough` says so of a snapshot. */
      const until = async (isEnough: (queues: readonly Queue[]) => boolean) => {
        for (;;) {
          const { value } = await within(iterator.next(), "a snapshot");
          if (value?.event.case !== "snapshot") continue;
          for (const queue of value.event.value.queues) seen.add(queue.name);
          if (isEnough(value.event.value.queues)) return;
        }
      };
      await until((now) => now.length >= OWN.length);
      if (later === "bz") await all.queues.createQueue({ name: later });
      else await all.queues.pauseQueue({ name: later });
      await until((now) => now.some((queue) => queue.name === later && (later === "bz" || queue.paused)));
      leave.abort();
      expect([...seen].filter((queue) => !["ba", "bz", "mail"].includes(queue))).toEqual([]);
    }
  });

  test.each(["starts", "names"])(
    "watches the changes of only these, also of those made later, and goes on there: %s",
    async (name) => {
      const { jobs } = as(server, name);
      const leave = new AbortController();
      const types: string[] = [];
      let cursor = "";
      const watch = async (until: string, cursorBefore: string) => {
        for await (const { event, cursor: at } of jobs.watchJobs({ cursor: cursorBefore }, { signal: leave.signal })) {
          cursor = at;
          if (event.case === "heartbeat" && cursorBefore === "") {
            await all.jobs.createJob({ queue: "other", type: "not-seen" });
            await all.jobs.createJob({ queue: "mail", type: "first" });
            await all.queues.createQueue({ name: "bz" });
            await all.jobs.createJob({ queue: "bz", type: "later" });
          }
          if (event.case === "change") types.push(event.value.type);
          if (types.includes(until)) return;
        }
      };
      await within(watch("later", ""), "the changes");
      expect(types.sort()).toEqual(["first", "later"]);
      // The cursors of a token with a prefix may name others on Redis; see the README.
      if (name === "names") expect(cursor).not.toMatch(/other|default/);
      await all.jobs.createJob({ queue: "default", type: "not-seen" });
      await all.jobs.createJob({ queue: "ba", type: "after" });
      await within(watch("after", cursor), "the changes after the cursor");
      expect(types).toEqual(["first", "later", "after"]);
      leave.abort();
    },
  );

  test("acts on many jobs in only these", async () => {
    const { jobs, dlq } = as(server, "starts");
    const left = async (status: number) =>
      (await all.jobs.listJobs({ statuses: [status], pageSize: 100 })).jobs.map(({ queue }) => queue).sort();
    const [PENDING, DEAD, CANCELED] = [1, 5, 6];
    expect(await dlq.replayDeadJobs({ all: true, dryRun: true })).toMatchObject({ count: 2 });
    expect(await dlq.replayDeadJobs({ all: true, max: 1 })).toMatchObject({ count: 1 });
    expect((await dlq.purgeDeadJobs({ all: true })).count).toBe(1);
    expect(await left(DEAD)).toEqual(["default", "other"]);
    expect((await jobs.cancelJobs({ all: true })).count).toBe(3);
    expect(await left(PENDING)).toEqual(["default", "other"]);
    expect(sorted(await left(CANCELED))).toEqual(OWN);
    expect((await jobs.deleteJobs({ all: true })).count).toBe(3);
    expect(sorted((await all.jobs.listJobs({})).jobs.map(({ queue }) => queue))).toEqual(["default", "other"]);
  });

  test.each(["starts", "names"])(
    "leases from only these by poll and by stream, also from those made later: %s",
    async (name) => {
      const { workers } = as(server, name);
      const got: string[] = [];
      const poll = async (wait = 0n) => {
        const { leases } = await workers.leaseJobs({
          worker: "w",
          types: ["t"],
          maxJobs: 10,
          wait: { seconds: wait, nanos: 0 },
        });
        for (const { job } of leases) got.push(job?.queue ?? "");
        return leases.length;
      };
      while ((await poll()) > 0);
      expect(got.sort()).toEqual(OWN);
      const waiting = poll(20n);
      const leave = new AbortController();
      const stream = (async () => {
        for await (const { event } of workers.streamJobs(
          { worker: "s", types: ["u"], maxInFlight: 10 },
          { signal: leave.signal },
        )) {
          if (event.case === "session") {
            await all.jobs.createJob({ queue: "other", type: "t" });
            await all.jobs.createJob({ queue: "other", type: "u" });
            await all.queues.createQueue({ name: "bz" });
            await all.jobs.createJob({ queue: "bz", type: "t" });
            await all.jobs.createJob({ queue: "bz", type: "u" });
          }
          if (event.case === "lease") return event.value.job?.queue;
        }
        return undefined;
      })();
      expect(await within(stream, "a lease on the stream", 20_000)).toBe("bz");
      expect(await within(waiting, "a lease by poll", 20_000)).toBe(1);
      expect(got.at(-1)).toBe("bz");
      expect(
        (await all.jobs.listJobs({ filter: { queues: ["other"], types: ["t", "u"], statuses: [1] } })).jobs,
      ).toHaveLength(3);
      leave.abort();
    },
  );

  test("is not answered the leases of a worker of the same name in other queues", async () => {
    const poll = { worker: "w", types: ["t"], maxJobs: 10, requestId: "r1" };
    const first = await as(server, "work").workers.leaseJobs(poll);
    expect(first.leases.map(({ job }) => job?.queue)).toEqual(["other"]);
    const foreign = await as(server, "starts").workers.leaseJobs(poll);
    expect(foreign.leases.every(({ job }) => OWN.includes(job?.queue ?? ""))).toBe(true);
    const again = await as(server, "work").workers.leaseJobs(poll);
    expect(again.leases.map(({ leaseToken }) => leaseToken)).toEqual(first.leases.map(({ leaseToken }) => leaseToken));
    const [lease] = first.leases;
    const settle = { jobId: lease?.job?.id ?? "", leaseToken: lease?.leaseToken ?? "" };
    const refused = await refusal(as(server, "starts").workers.completeJobs({ completions: [settle] }));
    expect(refused).toMatchObject({ reason: "SCOPE_MISSING", metadata: { queue: "other" } });
    const done = await as(server, "work").workers.completeJobs({ completions: [settle] });
    expect(done.outcomes[0]?.result).toBe(1);
  });

  test("sees workers that take from these, with their jobs there", async () => {
    const leave = new AbortController();
    const open = (name: string, worker: string, queues: string[]) =>
      (async () => {
        const stream = as(server, name).workers.streamJobs(
          { worker, queues, types: ["t"], maxInFlight: 10 },
          { signal: leave.signal },
        );
        for await (const _ of stream);
      })().catch(() => {});
    const ended = [
      open("all", "everywhere", []),
      open("work", "of-other", []),
      open("starts", "of-starts", []),
      open("all", "named", ["mail", "other"]),
    ];
    const listed = (name: string) =>
      eventually(async () => {
        const { workers } = await as(server, name).info.listWorkers({});
        const found = workers.filter(({ name: worker }) => worker !== "undertaker");
        const everywhere = workers.find(({ name: worker }) => worker === "everywhere");
        return found.length >= (name === "all" ? 4 : 3) && everywhere ? found : undefined;
      }, "the workers");
    const rows = (await listed("all")).map(({ name, queues }) => [name, queues]);
    expect(Object.fromEntries(rows)).toEqual({
      everywhere: [],
      "of-other": ["other"],
      "of-starts": ["b*", "mail"],
      named: ["mail", "other"],
    });
    const own = await listed("starts");
    expect(Object.fromEntries(own.map(({ name, queues }) => [name, queues]))).toEqual({
      everywhere: [],
      "of-starts": ["b*", "mail"],
      named: ["mail"],
    });
    expect(own.flatMap(({ jobIds }) => jobIds).every((id) => /@(mail|b.*)$/.test(id))).toBe(true);
    leave.abort();
    await Promise.all(ended);
  });
});
