import { createClient, createWorker, type Handlers, type TaskQueueError } from "gotaskq/client";
import { createClient as createWebClient } from "gotaskq/client/web";
import { hashToken, newToken, startServer } from "gotaskq/server";
import { describe, expect, test } from "vitest";
import { recordingLogger } from "../support/logger.js";
import { signal } from "../support/signal.js";
import { eventually, within } from "../support/wait.js";
import { atEnd, failure } from "./support.js";

const TOKENS = ["first", "second"].map((name) => ({ name, token: newToken() }));
const [FIRST, SECOND] = TOKENS.map(({ token }) => token) as [string, string];

/** Starts a server whose authorizer lets in who has one of the tokens that are good now. */
async function startWith(good: Set<string>, endsAt?: () => Date | undefined) {
  const server = await startServer({
    env: { PORT: "0", NUM_WORKERS: "0", SHUTDOWN_TIMEOUT: "0" },
    authorizer: ({ headers }) => {
      const token = headers.authorization?.replace("Bearer ", "") ?? "";
      return good.has(token) ? { name: "x", scopes: ["admin"], endsAt: endsAt?.() } : undefined;
    },
  });
  atEnd(() => server.stop());
  return server;
}

describe.each([
  ["in Node", (url: string, options: Parameters<typeof createClient>[1]) => createClient(url, options)],
  ["for browsers", createWebClient],
] as const)("a client %s", (_, connect) => {
  test("sends a token, or what a function answers at each call", async () => {
    const good = new Set([FIRST]);
    const { url } = await startWith(good);
    const open = (token: Parameters<typeof connect>[1]) => {
      const client = connect(url, token);
      atEnd(() => client.close());
      return client;
    };
    expect((await open({ token: FIRST }).queues.list()).map(({ name }) => name)).toEqual(["default"]);
    let now = FIRST;
    const client = open({ token: async () => now, retryMs: 0 });
    await client.queues.list();
    good.delete(FIRST);
    good.add(SECOND);
    expect(await failure(client.queues.list())).toMatchObject({ code: "UNAUTHENTICATED", reason: "TOKEN_INVALID" });
    now = SECOND;
    await client.queues.list();
  });

  test("tries again while its function has no token, and then says so", async () => {
    const { url } = await startWith(new Set([FIRST]));
    let asked = 0;
    const token = () => {
      if (asked++ === 0) throw new Error("the key server is away");
      return FIRST;
    };
    const client = connect(url, { token });
    atEnd(() => client.close());
    expect(await client.queues.list()).toHaveLength(1);
    const never = connect(url, { token: () => Promise.reject(new Error("the key server is away")), retryMs: 0 });
    atEnd(() => never.close());
    expect((await failure(never.queues.list())).message).toContain("the key server is away");
  });

  test("does not try a refused token again, and goes on watching with the next one when a token ends", async () => {
    const good = new Set([FIRST]);
    // From when the watch is admitted on, however long it takes to get there.
    let lastsMs: number | undefined = 300;
    const { url } = await startWith(good, () => (lastsMs === undefined ? undefined : new Date(Date.now() + lastsMs)));
    const tries: TaskQueueError[] = [];
    const refused = connect(url, { token: SECOND, onRetry: (error) => tries.push(error) });
    atEnd(() => refused.close());
    const watch = async (client: typeof refused, until: (cursor: string) => boolean) => {
      for await (const { cursor } of client.watchJobs()) if (until(cursor)) return;
    };
    expect(await failure(watch(refused, () => true))).toMatchObject({ reason: "TOKEN_INVALID" });
    expect(tries).toEqual([]);
    const ended: TaskQueueError[] = [];
    const client = connect(url, {
      token: FIRST,
      onRetry: (error) => {
        ended.push(error);
        lastsMs = undefined;
      },
    });
    atEnd(() => client.close());
    let messages = 0;
    await within(
      watch(client, () => ++messages === 2),
      "a message after the end of the token",
    );
    expect(ended.map(({ reason }) => reason)).toEqual(["TOKEN_INVALID"]);
  });
});

test("a worker takes jobs with a token, refuses to start with a bad one, and logs when its token is taken away", async () => {
  const good = new Set([FIRST]);
  let endsAt: Date | undefined;
  const { url } = await startWith(good, () => endsAt);
  const bad = createWorker({ url, token: SECOND, handlers: { t: () => 1 } });
  expect(await failure(bad.start())).toMatchObject({ reason: "TOKEN_INVALID" });
  const logger = recordingLogger();
  const ran = signal();
  endsAt = new Date(Date.now() + 200);
  const worker = createWorker({ url, token: () => FIRST, logger, handlers: { t: () => ran.fire() } });
  atEnd(() => worker.stop({ timeoutMs: 0 }));
  await worker.start();
  good.delete(FIRST);
  const refused = () =>
    logger.lines.filter(
      ({ level, fields: { err } }) => level === "error" && (err as TaskQueueError).reason === "TOKEN_INVALID",
    );
  await eventually(async () => (refused().length >= 2 ? true : undefined), "lines about the refused token");
  endsAt = undefined;
  good.add(FIRST);
  const client = createClient(url, { token: FIRST });
  atEnd(() => client.close());
  await client.create({ type: "t" });
  await within(ran.fired, "the job", 30_000);
});

test("a worker asks for its headers at each call, also when its handlers create jobs", async () => {
  const { url } = await startWith(new Set([FIRST]));
  const client = createClient(url, { token: FIRST });
  atEnd(() => client.close());
  let asked = 0;
  const headers = async () => {
    asked++;
    return { authorization: `Bearer ${FIRST}` };
  };
  const handlers: Handlers = {
    first: async (_, { enqueue }) => (await enqueue({ type: "second" })).id,
    second: () => 2,
  };
  const worker = createWorker({ url, headers, handlers });
  atEnd(() => worker.stop({ timeoutMs: 0 }));
  await within(worker.start(), "the start of the worker");
  const first = await within(client.createAndWait({ type: "first" }), "the end of the job");
  const second = await within(client.wait(String(first.result)), "the end of the second job");
  expect(second.result).toBe(2);
  // The stream, the create and the outcomes.
  expect(asked).toBeGreaterThanOrEqual(3);
});

test("gotaskq/server starts a server with tokens, and says what is wrong with its variables", async () => {
  const token = newToken();
  const AUTH_TOKENS = `name=a sha256=${hashToken(token)} scopes=read`;
  const server = await startServer({ env: { PORT: "0", AUTH_TOKENS } });
  atEnd(() => server.stop());
  const client = createClient(server.url, { token });
  atEnd(() => client.close());
  expect(await client.queues.list()).toHaveLength(1);
  expect(await failure(client.create({ type: "t" }))).toMatchObject({ reason: "SCOPE_MISSING" });
  const wrong = startServer({ env: { PORT: "-1", HOST: "0.0.0.0", AUTHORIZER: "./nowhere.ts" } });
  await expect(wrong).rejects.toThrow(/PORT: [\s\S]*AUTHORIZER: \.\/nowhere\.ts cannot be loaded/);
  await expect(startServer({ env: { PORT: "0", HOST: "0.0.0.0" } })).rejects.toThrow(
    /^HOST: "0\.0\.0\.0" can be reached/,
  );
});
