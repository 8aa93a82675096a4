import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { atEnd, clientOf, startServerAlone } from "../client/support.js";
import { freePort } from "../support/free-port.js";
import { startSharedRedis } from "../support/redis.js";
import { present } from "../support/rpc.js";
import { eventually, within } from "../support/wait.js";
import { LANGUAGES, type Language, runProgram, startProgram, startWorker as startWorkerIn } from "./program.js";

/** How soon a worker must hear of a cancel request, ms. */
const CANCEL_MS = 1000;

/** The backends, and the environment variables that make a server use them. */
export const BACKENDS = {
  memory: async () => ({}),
  "a file": async () => {
    const folder = mkdtempSync(join(tmpdir(), "gotaskq-clients-"));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));
    return { DATA_DIR: folder };
  },
  Redis: async () => {
    const redis = await startSharedRedis();
    return { USE_REDIS: "true", REDIS_URL: redis.url };
  },
} as const;

/** Defines the tests of the client in this language, against a server on this backend. */
export function testClient(key: keyof typeof LANGUAGES, backend: keyof typeof BACKENDS): void {
  const language: Language = LANGUAGES[key];
  const missing = inject("missing")[language.name] ?? "";
  if (missing !== "") {
    test.skip(`NOT TESTED: the client in ${language.name}: ${missing}`);
    return;
  }

  describe(`the client in ${language.name}, with ${backend}`, () => {
    let env: Readonly<Record<string, string>>;

    beforeAll(async () => {
      env = await BACKENDS[backend]();
    });

    async function start(more: Readonly<Record<string, string>> = {}) {
      const server = await startServerAlone({ ...env, ...more });
      atEnd(() => server.end("SIGKILL"));
      return { server, url: server.url, client: clientOf(server.url) };
    }

    const startWorker = (url: string, ...args: string[]) => startWorkerIn(language, args, url);

    test("submits and watches jobs, and runs them", async () => {
      const { url, client } = await start();
      await startWorker(url);
      const payload = { text: "é 😀", list: [1, null, { deep: true }] };
      const [id = ""] = await runProgram(language, ["submit", "echo", JSON.stringify(payload)], url);
      expect(await client.wait(id)).toMatchObject({ status: "DONE", payload, result: payload, deliveries: 1 });
      const lines = await runProgram(language, ["watch", id], url);
      expect(lines[0]).toBe("DONE");
      expect(JSON.parse(lines[1] ?? "")).toEqual(payload);
      const made = await client.createBatch(Array.from({ length: 100 }, (_, at) => ({ type: "echo", payload: at })));
      const jobs = await Promise.all(made.map((job) => client.wait(job.id)));
      expect(jobs.map(({ result }) => result)).toEqual(made.map((_, at) => at));
    });

    test("keeps large integers, in payloads and results", async () => {
      const { url } = await start();
      await startWorker(url);
      const payload = '{"id": 12345678901234567890, "list": [9007199254740993, 1.5]}';
      const [id = ""] = await runProgram(language, ["submit", "echo", payload], url);
      const lines = await runProgram(language, ["watch", id], url);
      expect(lines.at(-2)).toBe("DONE");
      expect(lines.at(-1)?.replaceAll(" ", "")).toBe(payload.replaceAll(" ", ""));
    });

    test("hears of a cancel within a second, and the job ends CANCELED", async () => {
      const { url, client } = await start();
      const worker = await startWorker(url);
      const { job } = await client.create({ type: "sleep", payload: 600_000 });
      await worker.said(new RegExp(`^running ${job.id}`));
      await client.cancel(job.id);
      const ended = await within(client.wait(job.id), "the end of the job", CANCEL_MS);
      expect(ended).toMatchObject({ status: "CANCELED", retryCount: 0 });
    });

    test("is paused past its lease: its job runs elsewhere, and what it says then changes nothing", async () => {
      const { url, client } = await start();
      const paused = await startWorker(url, "--lease=1");
      const { job } = await client.create({ type: "sleep", payload: 1500 });
      await paused.said(new RegExp(`^running ${job.id}`));
      paused.child.kill("SIGSTOP");
      const second = await startWorker(url);
      await second.said(new RegExp(`^running ${job.id}`));
      paused.child.kill("SIGCONT");
      const done = await within(client.wait(job.id), "the end of the job");
      // The server cannot tell a paused worker from a slow one, and may have leased it the job once more.
      expect(done.lostLeases).toBeGreaterThanOrEqual(1);
      expect(done).toMatchObject({ status: "DONE", retryCount: 0 });
      // A lease that was not sent yet when the stream ended is given back and not lost.
      expect([1, 2]).toContain(done.deliveries - done.lostLeases);
      await paused.said(/LEASE_LOST|lease of a running job ended/);
      expect(await client.get(job.id)).toEqual(done);
    });

    test("tells how far a job is, and why a call was refused", async () => {
      const { url, client } = await start();
      await startWorker(url, "--lease=1");
      const { job } = await client.create({ type: "sleep", payload: 600_000 });
      const told = async () => {
        for await (const { progress } of client.watchJob(job.id)) if (progress) return progress;
        return undefined;
      };
      expect(await within(told(), "a progress report")).toEqual({ percent: 50, message: "asleep" });
      await client.cancel(job.id);
      const refused = startProgram(language, ["submit", "x".repeat(200), "1"], url);
      await refused.said(/FIELD_INVALID.*type/);
      expect(await refused.ended()).toBe(1);
    });

    test("stops at SIGTERM: what runs is finished and told", async () => {
      const { url, client } = await start();
      const worker = await startWorker(url);
      const { job } = await client.create({ type: "sleep", payload: 500 });
      await worker.said(new RegExp(`^running ${job.id}`));
      worker.child.kill("SIGTERM");
      expect(await client.wait(job.id)).toMatchObject({ status: "DONE", result: `slept in ${language.name}` });
      expect(await worker.ended()).toBe(0);
    });

    test("stops at SIGTERM: what was taken ahead and has not begun is given back at once", async () => {
      const { url, client } = await start();
      // There before the worker, so that it is given both at once: a lease that it has not read yet when it ends is none that it gives back.
      const create = async () => (await client.create({ type: "sleep", payload: 1000 })).job.id;
      const ids = [await create(), await create()];
      const worker = await startWorker(url, "--concurrency=1", "--prefetch=1");
      await worker.said(/^running/);
      const running = () => worker.lines().flatMap((line) => /^running (\S+)/.exec(line)?.[1] ?? []);
      const [first = ""] = running();
      const ahead = present(ids.find((id) => id !== first));
      const taken = async () => ((await client.get(ahead)).status === "RUNNING" ? true : undefined);
      await eventually(taken, "the lease of the second job");
      worker.child.kill("SIGTERM");
      expect(await worker.ended()).toBe(0);
      expect(await client.get(first)).toMatchObject({ status: "DONE" });
      const back = { status: "PENDING", deliveries: 1, retryCount: 0, lostLeases: 0 };
      expect(await client.get(ahead)).toMatchObject(back);
      expect(running()).toEqual([first]);
      // Servers of other tests have the same store.
      await client.cancel(ahead);
    });

    test("goes on while its server drains, finishes there, and takes jobs from the next one", async () => {
      const port = String(await freePort());
      const { server, url, client } = await start({ PORT: port, SHUTDOWN_TIMEOUT: "20s" });
      const worker = await startWorker(url);
      const { job } = await client.create({ type: "sleep", payload: 500 });
      await worker.said(new RegExp(`^running ${job.id}`));
      server.child.kill("SIGTERM");
      await worker.said(/drain/);
      await worker.said(new RegExp(`settled.*${job.id}.*APPLIED`));
      if (server.child.exitCode === null) await within(once(server.child, "exit"), "the end of the server");
      expect(server.child.exitCode).toBe(0);
      const next = await start({ PORT: port });
      const after = await within(next.client.createAndWait({ type: "echo", payload: 1 }), "a job of the next server");
      expect(after).toMatchObject({ status: "DONE", result: 1 });
      if (backend === "memory") return;
      const result = `slept in ${language.name}`;
      expect(await next.client.get(job.id)).toMatchObject({ status: "DONE", result, deliveries: 1 });
    });
  });
}
