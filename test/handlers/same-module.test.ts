import { createTaskQueue, RawJson, silentLogger, type TaskQueue, type TaskQueueOptions } from "gotaskq";
import { createClient, createWorker } from "gotaskq/client";
import { startServer } from "gotaskq/server";
import { afterAll, describe, expect, test } from "vitest";
import { within } from "../support/wait.js";
import handlers, { middleware } from "./fixtures/orders.js";
import { createRunner, fixture } from "./support/runners.js";

const PATH = fixture("orders.ts");
const ending: (() => unknown)[] = [];

afterAll(async () => {
  for (const end of ending.reverse()) await end();
});

/** What creates jobs and waits for them, in a place where the handlers of the module run. */
type Producer = Pick<TaskQueue, "create" | "wait">;

async function inLibrary(options: TaskQueueOptions): Promise<Producer> {
  const queue = createTaskQueue({ ...options, numWorkers: 2, logger: silentLogger });
  ending.push(() => queue.stop());
  await queue.start();
  return queue;
}

async function server(env: Readonly<Record<string, string>>): Promise<string> {
  const { url, stop } = await startServer({ env: { PORT: "0", ...env } });
  ending.push(stop);
  return url;
}

function clientOf(url: string): Producer {
  const client = createClient(url);
  ending.push(() => client.close());
  return client;
}

const PLACES: readonly (readonly [place: string, open: () => Promise<Producer>])[] = [
  ["a task queue", () => inLibrary({ handlers, middleware })],
  ["threads", async () => inLibrary({ runner: await createRunner("threads", PATH, { size: 2 }) })],
  ["child processes", async () => inLibrary({ runner: await createRunner("processes", PATH, { size: 1 }) })],
  ["a server", async () => clientOf(await server({ HANDLERS: PATH }))],
  [
    "a worker",
    async () => {
      const url = await server({ NUM_WORKERS: "0" });
      const worker = createWorker({ url, handlers, middleware, logger: silentLogger });
      ending.push(() => worker.stop());
      await worker.start();
      return clientOf(url);
    },
  ],
];

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const traceContext = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };

describe.each(PLACES)("the handlers of a module in %s", (_, open) => {
  let place: Promise<Producer> | undefined;
  const opened = () => {
    place ??= open();
    return place;
  };

  async function run(task: Parameters<Producer["create"]>[0]) {
    const producer = await opened();
    const { job } = await producer.create(task);
    return within(producer.wait(job.id), "the end of a job", 20_000);
  }

  test("create each job once, though they run twice, and on the same trace", async () => {
    const payload = { to: ["ann", "bob", "ann"], at: new Date() } as never;
    const { id, ...job } = await run({
      type: "order",
      payload,
      timeoutMs: 60_000,
      metadata: { by: "hand" },
      traceContext,
    });
    expect(job).toMatchObject({ status: "DONE", retryCount: 1 });
    const { mails, ...rest } = job.result;
    expect(rest).toEqual({ attempt: 2, endsInTime: true });
    expect(mails.map(({ deduplicated }: { readonly deduplicated: boolean }) => deduplicated)).toEqual([
      true,
      true,
      true,
    ]);
    const producer = await opened();
    const sent = await Promise.all(
      mails.map(async (mail: { readonly id: string }) => within(producer.wait(mail.id), "a mail", 20_000)),
    );
    expect(new Set(mails.map((mail: { readonly id: string }) => mail.id)).size).toBe(3);
    expect(sent.map(({ result }) => result).sort()).toEqual(
      ["ann", "ann", "bob"].map((to) => `mail to ${to} in ${TRACE} by hand`),
    );
    expect(sent.map((mail) => mail.traceContext?.traceparent.split("-")[1])).toEqual([TRACE, TRACE, TRACE]);
  });

  test("say how it goes on by what they throw", async () => {
    expect(await run({ type: "refused" })).toMatchObject({ status: "DEAD", retryCount: 0, error: "no such customer" });
    const later = await run({ type: "later" });
    expect([later.status, later.retryCount, later.result]).toEqual(["DONE", 0, 2]);
  });

  test("learn why a job cannot be created", async () => {
    const { result } = await run({ type: "stray" });
    expect(result).toEqual([
      ...["TaskQueueError", "QUEUE_NOT_FOUND", "NOT_FOUND", { queue: "none.such" }],
      ...["FIELD_INVALID", [{ field: "priority", description: "must be a whole number from 0 to 10, got 11" }]],
      [{ field: "requests[1].priority", description: "must be a whole number from 0 to 10, got 11" }],
    ]);
  });

  test("create each job of a batch once, in order, though they run twice", async () => {
    const { status, retryCount, result } = await run({ type: "batch", payload: { to: ["ann", "bob", "ann"] } });
    expect([status, retryCount]).toEqual(["DONE", 1]);
    const [batch, alone] = result;
    expect(batch.map(({ deduplicated }: { readonly deduplicated: boolean }) => deduplicated)).toEqual([
      true,
      true,
      true,
    ]);
    expect(alone[0].deduplicated).toBe(false);
    const producer = await opened();
    const sent = await Promise.all([...batch, ...alone].map(({ id }) => within(producer.wait(id), "a mail", 20_000)));
    expect(new Set(sent.map(({ id }) => id)).size).toBe(4);
    expect(sent.map(({ payload }) => payload.to)).toEqual(["ann", "bob", "ann", "last"]);
  });

  test("show their job to a log in JSON, and to a console", async () => {
    const { id, result } = await run({ type: "shown", payload: { to: "ann" }, metadata: { by: "hand" }, key: "k" });
    const [json, shown] = result;
    expect(JSON.parse(json)).toEqual({
      ...{ id, queue: "default", type: "shown", payload: { to: "ann" }, metadata: { by: "hand" }, key: "k" },
      ...{ priority: 0, deliveries: 1, retryCount: 0, maxRetries: 5, createdAt: expect.stringMatching(/^20.*Z$/) },
    });
    expect(shown).toContain("payload: { to: 'ann' }");
  });

  test("have the payload to the letter, too", async () => {
    expect((await run({ type: "text", payload: { b: 1, a: [2.5] } })).result).toEqual([
      { b: 1, a: [2.5] },
      '{"b":1,"a":[2.5]}',
    ]);
    // Spaces and numbers as its creator wrote them.
    const letter = '{"id":9007199254740993, "n":1.50}';
    const job = await run({ type: "text", payload: new RawJson(letter) });
    expect([job.payloadText, job.result]).toEqual([letter, [{ id: 9_007_199_254_740_992, n: 1.5 }, letter]]);
    // Of a result too.
    expect((await run({ type: "letter", payload: new RawJson(letter) })).resultText).toBe(letter);
    expect((await run({ type: "text" })).result).toEqual([null, null]);
    expect((await run({ type: "text", payload: Uint8Array.of(1) })).result).toEqual(["bytes", null]);
  });
});
