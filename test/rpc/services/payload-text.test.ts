import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import { type Job, PayloadFormat } from "../../../gen/gotaskq/v1/job_pb.js";
import { LIMITS } from "../../../src/model/common/limits.js";
import { listOf } from "../../support/decoding.js";
import { startRedis, type UsableRedis } from "../../support/redis.js";
import { jsonOf, payload, present, reading, refusal } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestEnvironment, type TestServer } from "../../support/server.js";
import { CONNECT_BINARY, CONNECT_JSON, GRPC } from "../../support/transports.js";
import { leaseOf, WORKER } from "../../support/worker.js";

/** What no google.protobuf.Value keeps: large integers, forms of numbers, the order of members, white space, escapes. */
const TEXT = ' {"id" : 12345678901234567890,\r\n\t"10":1.50, "2":-0e+0, "é😀": "\\ud83d\\ude00\\/" }\n';
const RESULT = '[9007199254740993, {"z":1,"a":1.0}]';

const json = (value: string) => ({ payloadKind: { case: "payloadJson", value } as const });
const kindOf = (job: Job | undefined) => present(job).payloadKind;
const PAYLOAD = json(TEXT).payloadKind;
const { TEXT: payloadFormat } = PayloadFormat;

let redis: UsableRedis;

beforeAll(async () => {
  redis = await startRedis();
});

describe.each([
  ["in memory", () => ({})],
  ["on Redis", () => ({ USE_REDIS: "true", REDIS_URL: redis.url })],
] as const)("a payload as text %s", (_, env) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ ...(env() as TestEnvironment), NUM_WORKERS: "0" });
  });

  test.each([GRPC, CONNECT_JSON, CONNECT_BINARY])(
    "comes back to the letter wherever a job is told: $name",
    async (kind) => {
      const { jobs, workers, dlq } = server.connect(kind);
      const queue = await newQueue(server, `text-${kind.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`);
      const { job } = await jobs.createJob({ queue, type: "work", ...json(TEXT), payloadFormat, requestId: queue });
      expect(kindOf(job)).toEqual(PAYLOAD);
      const { id } = present(job);
      const again = await jobs.createJob({ queue, type: "work", ...json(` ${TEXT}`), payloadFormat, requestId: queue });
      expect([again.deduplicated, kindOf(again.job)]).toEqual([true, PAYLOAD]);

      expect(kindOf((await jobs.getJob({ id, payloadFormat })).job)).toEqual(PAYLOAD);
      const { jobs: listed } = await jobs.listJobs({ queue, payloadFormat });
      expect(listed.map(kindOf)).toEqual([PAYLOAD]);
      const watch = reading(jobs.watchJob({ id, payloadFormat }));
      const told = await watch.until(({ event }) => event.case === "job");
      expect(told.at(-1)?.event).toMatchObject({ value: json(TEXT) });
      const later = { schedule: { case: "delay", value: durationFromMs(3_600_000) } as const };
      expect(kindOf((await jobs.updateJob({ id, ...later, payloadFormat })).job)).toEqual(PAYLOAD);
      const updated = await jobs.updateJob({ id, ...json(` ${TEXT}`), payloadFormat });
      expect(kindOf(updated.job)).toEqual(json(` ${TEXT}`).payloadKind);
      await jobs.updateJob({ id, ...json(TEXT) });
      expect(kindOf((await jobs.runJob({ id, payloadFormat })).job)).toEqual(PAYLOAD);

      const poll = await workers.leaseJobs({ ...WORKER, queues: [queue], payloadFormat });
      const lease = present(poll.leases[0]);
      expect(kindOf(lease.job)).toEqual(PAYLOAD);
      await workers.releaseJobs({ releases: [{ jobId: id, leaseToken: lease.leaseToken }] });
      const stream = reading(workers.streamJobs({ ...WORKER, queues: [queue], payloadFormat }));
      const streamed = leaseOf(present((await stream.until(({ event }) => event.case === "lease")).at(-1)));
      expect(kindOf(streamed.job)).toEqual(PAYLOAD);
      const resultKind = { case: "resultJson", value: RESULT } as const;
      await workers.completeJobs({ completions: [{ jobId: id, leaseToken: streamed.leaseToken, resultKind }] });
      expect((await jobs.getJob({ id, payloadFormat })).job).toMatchObject({ payloadKind: PAYLOAD, resultKind });
      expect((await watch.rest()).at(-1)?.event).toMatchObject({ value: { payloadKind: PAYLOAD, resultKind } });

      const second = await jobs.createJob({ queue, type: "die", ...json(TEXT), maxRetries: 0 });
      const dying = await workers.leaseJobs({ ...WORKER, types: ["die"], queues: [queue] });
      const { leaseToken } = present(dying.leases[0]);
      const dead = present(second.job).id;
      await workers.failJobs({ failures: [{ jobId: dead, leaseToken, error: "x" }] });
      expect(kindOf((await dlq.getDeadJob({ id: dead, payloadFormat })).job)).toEqual(PAYLOAD);
      expect((await dlq.listDeadJobs({ queue, payloadFormat })).jobs.map(kindOf)).toEqual([PAYLOAD]);
      expect(kindOf((await dlq.replayDeadJob({ id: dead, payloadFormat })).job)).toEqual(PAYLOAD);
      expect(kindOf((await jobs.cancelJob({ id: dead, payloadFormat })).job)).toEqual(PAYLOAD);
    },
  );

  test("is told as a Value to who asks for nothing else, and what was sent so, as text", async () => {
    const { jobs } = server;
    const { job } = await jobs.createJob({ type: "a", ...json(TEXT) });
    const value = { "2": -0, "10": 1.5, id: 12345678901234567000, "é😀": "😀/" };
    expect(jsonOf(kindOf(job))).toEqual(value);
    const { id } = present(job);
    for (const format of [PayloadFormat.UNSPECIFIED, PayloadFormat.VALUE]) {
      expect(jsonOf(kindOf((await jobs.getJob({ id, payloadFormat: format })).job))).toEqual(value);
    }
    const sent = await jobs.createJob({ type: "a", payloadKind: payload({ b: 1, a: [1.5, null] }), payloadFormat });
    expect(kindOf(sent.job)).toEqual(json('{"b":1,"a":[1.5,null]}').payloadKind);
    const bytes = { payloadKind: { case: "payloadBytes", value: Buffer.of(1) } as const, payloadFormat };
    expect(kindOf((await jobs.createJob({ type: "a", ...bytes })).job).case).toBe("payloadBytes");
  });

  test("of a schedule is that of its jobs", async () => {
    const { schedules } = server;
    const asked = { queue: await newQueue(server, "scheduled"), name: "s", payloadFormat };
    const spec = { case: "cron", value: "0 0 1 1 *" } as const;
    const kindIn = ({ schedule }: { schedule?: { job?: { payloadKind: unknown } } }) => schedule?.job?.payloadKind;
    const schedule = { ...asked, spec, job: { type: "a", ...json(TEXT) }, startsAt: timestampFromMs(0) };
    expect(kindIn(await schedules.createSchedule({ schedule, payloadFormat }))).toEqual(PAYLOAD);
    expect(kindIn(await schedules.getSchedule(asked))).toEqual(PAYLOAD);
    const list = await schedules.listSchedules(asked);
    expect(list.schedules.map((each) => kindIn({ schedule: each }))).toEqual([PAYLOAD]);
    expect(kindIn(await schedules.pauseSchedule(asked))).toEqual(PAYLOAD);
    expect(kindIn(await schedules.resumeSchedule(asked))).toEqual(PAYLOAD);
    expect(kindOf((await schedules.triggerSchedule(asked)).job)).toEqual(PAYLOAD);
    const changed = { ...schedule, job: { type: "b", ...json(RESULT) } };
    expect(kindIn(await schedules.updateSchedule({ schedule: changed, payloadFormat }))).toMatchObject({
      value: RESULT,
    });
    expect(kindIn(await schedules.getSchedule({ ...asked, payloadFormat: 0 }))).toMatchObject({ case: "payload" });
  });
});

describe("a text that is no payload", () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ NUM_WORKERS: "0" });
  });

  const over = `"${"x".repeat(LIMITS.payloadBytes)}"`;

  test.each([
    ["{", /^is not valid JSON/],
    ["", /^is not valid JSON/],
    ["1e999", /^has a number that is out of range$/],
    ['{"a":1,"a":2}', /^has the name "a" twice in one object$/],
    ['"\\ud800"', /^has text that is not well-formed Unicode$/],
    [`${"[".repeat(33)}${"]".repeat(33)}`, /^must not be nested more than 32 deep$/],
    [listOf(LIMITS.payloadValues + 1, "1"), /^must have at most 100000 values$/],
    [over, /^must be at most 1048576 bytes, is 1048578$/],
  ])("is refused by its name, with the other bad fields: %.20s", async (text, description) => {
    const { jobs, workers, schedules } = server.connect(CONNECT_JSON);
    const expected = (field: string) => ({
      code: "INVALID_ARGUMENT",
      reason: "FIELD_INVALID",
      fields: expect.arrayContaining([field]),
      descriptions: expect.arrayContaining([expect.stringMatching(description)]),
    });
    const alone = await refusal(jobs.createJob({ type: "", ...json(text) }));
    expect(alone).toMatchObject(expected("payloadJson"));
    expect(alone.fields).toEqual(["payloadJson", "type"]);
    // A large message is looked at in steps, with the same answer.
    const padded = [
      { type: "a", ...json(`"${"x".repeat(20_000)}"`) },
      { type: "a", ...json(text) },
    ];
    const batch = await refusal(jobs.batchCreateJobs({ requests: padded }));
    expect(batch).toMatchObject(expected("requests[1].payloadJson"));
    expect(batch.fields).toHaveLength(1);
    expect(await refusal(jobs.updateJob({ id: "1", ...json(text) }))).toMatchObject({
      fields: ["payloadJson"],
    });
    const completion = { jobId: "1", leaseToken: "x", resultKind: { case: "resultJson", value: text } as const };
    expect(await refusal(workers.completeJobs({ completions: [completion] }))).toMatchObject(
      expected("completions[0].resultJson"),
    );
    const schedule = { name: "s", spec: { case: "cron", value: "@daily" } as const, job: { type: "a", ...json(text) } };
    expect(await refusal(schedules.createSchedule({ schedule }))).toMatchObject(expected("schedule.job.payloadJson"));
    // Clients that send binary spell fields as the protos do.
    expect(await refusal(server.jobs.createJob({ type: "a", ...json(text) }))).toMatchObject({
      fields: ["payload_json"],
    });
  });

  test("is one among at most 400,000 values of a message", async () => {
    const full = { type: "a", ...json(listOf(LIMITS.payloadValues, "1")) };
    const requests = [full, full, full, full];
    await server.jobs.batchCreateJobs({ requests });
    expect(await refusal(server.jobs.batchCreateJobs({ requests: [...requests, full] }))).toMatchObject({
      fields: ["requests[4].payload_json"],
    });
  });

  test("is asked for in a format that there is", async () => {
    const { jobs, workers, dlq, schedules } = server;
    const asked = { payloadFormat: 7 as PayloadFormat };
    const bad = { reason: "FIELD_INVALID", fields: ["payload_format"] };
    const schedule = { name: "s", spec: { case: "cron", value: "@daily" } as const, job: { type: "a" } };
    const calls = [
      jobs.createJob({ type: "a", ...asked }),
      jobs.getJob({ id: "1", ...asked }),
      jobs.listJobs(asked),
      jobs.cancelJob({ id: "1", ...asked }),
      jobs.runJob({ id: "1", ...asked }),
      jobs.updateJob({ id: "1", priority: 1, ...asked }),
      reading(jobs.watchJob({ id: "1", ...asked })).next(),
      workers.leaseJobs({ ...WORKER, ...asked }),
      reading(workers.streamJobs({ ...WORKER, ...asked })).next(),
      dlq.listDeadJobs(asked),
      dlq.getDeadJob({ id: "1", ...asked }),
      dlq.replayDeadJob({ id: "1", ...asked }),
      schedules.createSchedule({ schedule, ...asked }),
      schedules.updateSchedule({ schedule, ...asked }),
      schedules.getSchedule({ name: "s", ...asked }),
      schedules.listSchedules(asked),
      schedules.pauseSchedule({ name: "s", ...asked }),
      schedules.resumeSchedule({ name: "s", ...asked }),
      schedules.triggerSchedule({ name: "s", ...asked }),
    ];
    for (const refused of await Promise.all(calls.map(refusal))) expect(refused).toMatchObject(bad);
    expect(await refusal(jobs.batchCreateJobs({ requests: [{ type: "a", ...asked }] }))).toMatchObject({
      fields: ["requests[0].payload_format"],
    });
  });
});

test("watchers of one job who ask for different formats get what each asked for", async () => {
  const server = await startTestServer({ NUM_WORKERS: "0" });
  const { job } = await server.jobs.createJob({ type: "a", ...json(TEXT) });
  const { id } = present(job);
  const formats = [payloadFormat, PayloadFormat.VALUE, payloadFormat, PayloadFormat.VALUE];
  const watches = formats.map((format) => reading(server.jobs.watchJob({ id, payloadFormat: format })));
  const kinds = async () =>
    Promise.all(
      watches.map(async (watch) => {
        const { event } = (await watch.until((message) => message.event.case === "job")).at(-1) ?? {};
        return event?.case === "job" ? event.value.payloadKind.case : undefined;
      }),
    );
  const expected = ["payloadJson", "payload", "payloadJson", "payload"];
  expect(await kinds()).toEqual(expected);
  await server.jobs.updateJob({ id, priority: 3 });
  expect(await kinds()).toEqual(expected);
  await server.jobs.cancelJob({ id });
});
