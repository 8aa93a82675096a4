import { createClient } from "gotaskq/client";
import { createClient as createWebClient } from "gotaskq/client/web";
import { type Authorizer, startServer } from "gotaskq/server";
import { describe, expect, test } from "vitest";
import { freePort } from "../support/free-port.js";
import { startTestServer } from "../support/server.js";
import { within } from "../support/wait.js";
import { atEnd, failure } from "./support.js";

const RUNTIMES = [
  ["in Node", createClient],
  ["for browsers", createWebClient],
] as const;

describe.each(RUNTIMES)("a client of several servers, %s,", (_runtime, create) => {
  test("goes on to the next when one is away, at once and for all calls, and comes back in turn", async () => {
    const [first, second] = [await startTestServer(), await startTestServer()];
    const away = `http://127.0.0.1:${await freePort()}`;
    const client = create([away, first.url, second.url]);
    atEnd(() => client.close());
    const { job } = await within(client.create({ type: "t" }), "a create at the second URL");
    expect(await first.jobs.getJob({ id: job.id })).toMatchObject({ job: { type: "t" } });
    await Promise.all([client.get(job.id), client.queues.list(), client.count()]);
    const watch = client.watchJobs()[Symbol.asyncIterator]();
    await within(watch.next(), "the begin of a watch");
    await first.stop();
    // What is not safe to repeat is so when it was never begun.
    await within(client.queues.create("made-there"), "a call at the third URL");
    expect((await second.queues.listQueues({})).queues.map(({ name }) => name)).toContain("made-there");
    await watch.return?.();
  });

  test("refuses to be made without a URL", () => {
    expect(() => create([])).toThrow(new TypeError("url: there must be at least one"));
    for (const none of [undefined, null, { url: "http://127.0.0.1" }, [1]]) {
      expect(() => create(none as never)).toThrow(new TypeError("url: must be text, or a list of texts"));
    }
  });

  test("asks a function for its headers at each try, and puts those of the call in their place", async () => {
    const seen: string[] = [];
    const authorizer: Authorizer = ({ headers }) => {
      seen.push(String(headers["x-tenant"]));
      return { name: "x", scopes: ["admin"] };
    };
    const env = { PORT: "0", NUM_WORKERS: "0", SHUTDOWN_TIMEOUT: "0" };
    const server = await startServer({ env, authorizer });
    atEnd(() => server.stop());
    const retries: string[] = [];
    let asked = 0;
    const headers = async () => {
      if (++asked === 1) throw new Error("the key server is away");
      return { "X-Tenant": `tenant ${asked}` };
    };
    const client = create(server.url, { headers, onRetry: ({ message }) => retries.push(message) });
    atEnd(() => client.close());
    await client.queues.list();
    await client.queues.list({ headers: { "x-tenant": "of the call" } });
    expect(seen).toEqual(["tenant 2", "of the call"]);
    expect(retries).toEqual(["there are no headers: the key server is away"]);
  });

  test("ends a call in its time, however long it would be tried again", async () => {
    const client = create(`http://127.0.0.1:${await freePort()}`, { retryMs: 600_000 });
    atEnd(() => client.close());
    expect(await failure(client.queues.list({ timeoutMs: 300 }))).toMatchObject({ code: "UNAVAILABLE" });
    const held = create("http://127.0.0.1:1", { token: () => new Promise<string>(() => {}) });
    atEnd(() => held.close());
    expect(await failure(held.queues.list({ timeoutMs: 20 }))).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    const leave = new AbortController();
    const left = held.get("1", { signal: leave.signal });
    leave.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
  });
});
