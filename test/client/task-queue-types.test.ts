import { createTaskQueue, type LocalTaskQueue } from "gotaskq";
import {
  createClient,
  type Job,
  type JobQuery,
  type NewJob,
  RawJson,
  type Schedule,
  type TaskQueue,
  type TaskQueueClient,
} from "gotaskq/client";
import type { TaskQueueClient as WebClient } from "gotaskq/client/web";
import type { TestQueue } from "gotaskq/testing";
import { expectTypeOf, test } from "vitest";

interface Email {
  readonly to: string;
  readonly sentAt: Date;
  readonly cc?: readonly string[];
}

interface Jobs {
  email: { payload: Email; result: { id: string; at: Date } };
  upload: { payload: Uint8Array };
  cleanup: object;
}

/** The compiler runs these tests: what it is to refuse is never called. */
function compiled(queue: TaskQueue<Jobs>, tests: TestQueue<Jobs>, loose: TaskQueue, name: string) {
  const email: Email = { to: "ann", sentAt: new Date() };
  const calls = {
    right: () => [
      queue.create({ type: "email", payload: email }),
      queue.create({ type: "cleanup" }, { timeoutMs: 1 }),
      queue.createBatch([
        { type: "email", payload: email, priority: 1 },
        { type: "upload", payload: Uint8Array.of(1) },
      ]),
      queue.schedules.create({ name: "s", cron: "@daily", job: { type: "email", payload: email } }),
      queue.update<"email">("1", { payload: email }),
      queue.list({ type: "email", statuses: ["DONE"] }),
      queue.list({ types: [], pageSize: 5 }),
      queue.count({ types: ["email", "cleanup"] }),
      queue.watchJobs({ types: new Set(["upload"] as const) }),
      queue.cancelMatching({ types: ["email"] }, { dryRun: true }),
      queue.deleteMatching({}, { all: true }),
      queue.dlq.summarize({ type: "email" }),
      queue.dlq.replayMatching({ type: "email", errorContains: "busy" }),
      queue.dlq.deleteMatching({ types: ["upload"] }),
      tests.jobs({ types: ["email"] }),
      loose.list({ type: name, types: [name] }),
      loose.count({ types: [name] }),
      loose.watchJobs({ types: [name] }),
      loose.cancelMatching({ types: [name] }),
      loose.dlq.list({ type: name }),
      loose.dlq.replayMatching({ type: name }),
      loose.create({ type: "anything", payload: email }),
      loose.create({ type: "anything" }),
      queue.create({ type: "email", payload: new RawJson("{}") }),
      queue.update<"email">("1", { payload: new RawJson("{}") }),
      queue.schedules.create({ name: "s", cron: "@daily", job: { type: "email", payload: new RawJson("{}") } }),
      createTaskQueue<Jobs>({ handlers: { email: () => new RawJson("{}") } }),
    ],
    wrong: () => [
      // @ts-expect-error: a type that is none
      queue.create({ type: "mail", payload: email }),
      // @ts-expect-error: the payload of another type
      queue.create({ type: "email", payload: Uint8Array.of(1) }),
      // @ts-expect-error: a property of another type
      queue.create({ type: "email", payload: { to: 5, sentAt: new Date() } }),
      // @ts-expect-error: no payload
      queue.create({ type: "email" }),
      // @ts-expect-error: a payload where there is none
      queue.create({ type: "cleanup", payload: 1 }),
      // @ts-expect-error: not as a text either
      queue.create({ type: "cleanup", payload: new RawJson("1") }),
      // @ts-expect-error: only as all of it
      queue.create({ type: "email", payload: { to: new RawJson('"ann"'), sentAt: new Date() } }),
      // @ts-expect-error: a result where there is none
      createTaskQueue<Jobs>({ handlers: { cleanup: () => new RawJson("1") } }),
      // @ts-expect-error: an option that is none
      queue.create({ type: "cleanup", prioritty: 1 }),
      // @ts-expect-error: the payload of another type, in a batch
      queue.createBatch([{ type: "upload", payload: email }]),
      // @ts-expect-error: the same in a schedule
      queue.schedules.create({ name: "s", cron: "@daily", job: { type: "email", payload: "ann" } }),
      // @ts-expect-error: a payload that none has
      queue.update("1", { payload: 5 }),
      // @ts-expect-error: a type that is none, in each filter
      queue.list({ type: "mail" }),
      // @ts-expect-error: also among others
      queue.list({ types: ["email", "mail"] }),
      // @ts-expect-error: also one that is known as a text only
      queue.list({ type: name }),
      // @ts-expect-error
      queue.count({ types: ["mail"] }),
      // @ts-expect-error
      queue.watchJobs({ types: ["mail"] }),
      // @ts-expect-error
      queue.cancelMatching({ types: ["mail"] }),
      // @ts-expect-error
      queue.deleteMatching({ types: ["mail"] }),
      // @ts-expect-error
      queue.dlq.list({ type: "mail" }),
      // @ts-expect-error
      queue.dlq.summarize({ types: ["mail"] }),
      // @ts-expect-error
      queue.dlq.replayMatching({ type: "mail" }),
      // @ts-expect-error
      queue.dlq.deleteMatching({ types: ["mail"] }),
      // @ts-expect-error
      tests.jobs({ types: ["mail"] }),
      // @ts-expect-error: a payload that cannot travel
      createTaskQueue<{ a: { payload: Map<string, string> } }>(),
      // @ts-expect-error: the same
      createClient<{ a: { payload: { n: bigint } } }>("http://127.0.0.1:1"),
      // @ts-expect-error: a handler of no type
      createTaskQueue<Jobs>({ handlers: { mail: () => undefined } }),
      // @ts-expect-error: a handler with another result
      createTaskQueue<Jobs>({ handlers: { email: () => 5 } }),
    ],
  };
  return calls;
}

test("jobs that do not fit what is declared do not compile", () => {
  expectTypeOf(compiled).toBeFunction();
  expectTypeOf<NewJob<Jobs, "email">["payload"]>().toEqualTypeOf<Email | RawJson>();
});

test("what comes back is typed as it arrives", () => {
  type Read = { readonly to: string; readonly sentAt: string; readonly cc?: readonly string[] };
  type Done = Awaited<ReturnType<typeof queue.createAndWait<"email">>>;
  const queue = undefined as unknown as TaskQueue<Jobs>;
  expectTypeOf<Done["payload"]>().toEqualTypeOf<Read>();
  expectTypeOf<Done["result"]>().toEqualTypeOf<{ id: string; at: string } | undefined>();
  const read = (job: Job<Jobs>) => {
    if (job.type === "email") expectTypeOf(job.payload).toEqualTypeOf<Read>();
    if (job.type === "upload") expectTypeOf(job.payload).toEqualTypeOf<Uint8Array>();
  };
  expectTypeOf(read).toBeFunction();
  expectTypeOf<Awaited<ReturnType<TaskQueue["get"]>>["payload"]>().toBeAny();
  const ofSchedule = ({ job }: Schedule<Jobs>) => {
    if (job.type === "email") expectTypeOf(job.payload).toEqualTypeOf<Email>();
  };
  expectTypeOf(ofSchedule).toBeFunction();
});

test("jobs that are listed are of the types that were asked for", () => {
  const read = async (queue: TaskQueue<Jobs>, tests: TestQueue<Jobs>, loose: TaskQueue, name: string) => {
    type Email = Job<Jobs, "email">;
    for await (const job of queue.list({ type: "email" })) expectTypeOf(job).toEqualTypeOf<Email>();
    const { items } = await queue.dlq.list({ types: ["email"] }).page();
    expectTypeOf(items).toEqualTypeOf<readonly Email[]>();
    for await (const job of queue.list({ types: ["email", "upload"] })) {
      expectTypeOf(job).toEqualTypeOf<Job<Jobs, "email" | "upload">>();
      if (job.type === "upload") expectTypeOf(job.payload).toEqualTypeOf<Uint8Array>();
    }
    for await (const job of queue.list({ queue: "mail" })) expectTypeOf(job).toEqualTypeOf<Job<Jobs>>();
    for await (const job of queue.list()) expectTypeOf(job).toEqualTypeOf<Job<Jobs>>();
    for await (const job of queue.list({ types: [] })) expectTypeOf(job).toEqualTypeOf<Job<Jobs>>();
    // What may ask for all answers all.
    const maybe = queue.list({ type: name === "" ? undefined : "email" });
    for await (const job of maybe) expectTypeOf(job).toEqualTypeOf<Job<Jobs>>();
    const some = queue.list({ types: name === "" ? [] : ["email"] });
    for await (const job of some) expectTypeOf(job).toEqualTypeOf<Job<Jobs>>();
    expectTypeOf(await tests.jobs({ types: ["email"] })).toEqualTypeOf<readonly Email[]>();
    expectTypeOf(await tests.jobs({ statuses: ["DONE"] })).toEqualTypeOf<readonly Job<Jobs>[]>();
    for await (const event of queue.watchJobs()) {
      if (event.kind === "event") expectTypeOf(event.change.type).toEqualTypeOf<keyof Jobs>();
    }
    for await (const job of loose.list({ type: name })) expectTypeOf(job).toEqualTypeOf<Job>();
  };
  expectTypeOf(read).toBeFunction();
  // A filter that is kept somewhere says what it may ask for.
  expectTypeOf<JobQuery<"email">>().toExtend<JobQuery<keyof Jobs>>();
  expectTypeOf<JobQuery<keyof Jobs>>().toExtend<JobQuery>();
});

test("library and client are the same interface, and a little more", () => {
  expectTypeOf<LocalTaskQueue<Jobs>>().toExtend<TaskQueue<Jobs>>();
  expectTypeOf<TaskQueueClient<Jobs>>().toExtend<TaskQueue<Jobs>>();
  // Code that takes any of them takes one of declared jobs.
  expectTypeOf<TaskQueue<Jobs>>().toExtend<TaskQueue>();
  expectTypeOf<LocalTaskQueue<Jobs>>().toExtend<LocalTaskQueue>();
  expectTypeOf<TaskQueueClient<Jobs>>().toExtend<TaskQueueClient>();
  expectTypeOf<WebClient<Jobs>>().toEqualTypeOf<TaskQueueClient<Jobs>>();
  expectTypeOf<Exclude<keyof LocalTaskQueue, keyof TaskQueue>>().toEqualTypeOf<
    "start" | "stop" | typeof Symbol.asyncDispose
  >();
  expectTypeOf<Exclude<keyof TaskQueueClient, keyof TaskQueue>>().toEqualTypeOf<
    "close" | typeof Symbol.asyncDispose | typeof Symbol.dispose
  >();
});
