import { create, toBinary } from "@bufbuild/protobuf";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus, UniqueUntil } from "../../gen/gotaskq/v1/job_pb.js";
import { GetServerInfoResponseSchema } from "../../gen/gotaskq/v1/server_service_pb.js";
import { created, payload, reaches } from "../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../support/server.js";
import { eventually } from "../support/wait.js";
import { isLive, openConsole } from "./support/browser.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

/** Opens a page that takes the store of the server for one that it shares with others. */
async function openShared(path: string): Promise<Page> {
  const page = await openConsole(server.url, "/about-to-start");
  const info = toBinary(GetServerInfoResponseSchema, create(GetServerInfoResponseSchema, { backend: "redis" }));
  await page.route("**/GetServerInfo", (route) =>
    route.fulfill({ contentType: "application/proto", body: Buffer.from(info) }),
  );
  await page.goto(`${server.url}/#${path}`);
  return page;
}

describe("waiting jobs", () => {
  test("are told apart: those that are ready, and those that are scheduled", async () => {
    const mine = await startTestServer();
    const name = await newQueue(mine, "apart");
    await mine.queues.pauseQueue({ name });
    const schedule = { case: "delay", value: { seconds: 3600n } } as const;
    for (const more of [{}, {}, { schedule }]) await created(mine, { queue: name, type: "echo", ...more });
    const page = await openConsole(mine.url);
    await page.getByText("2 ready, 1 scheduled", { exact: true }).waitFor();
    await page.getByRole("img", { name: "now 2 ready, 1 scheduled, 0 running" }).waitFor();
    await page.goto(`${mine.url}/#/queues`);
    await page.getByRole("button", { name: "Purge apart" }).click();
    await page.getByRole("dialog").getByText("2 ready, 1 scheduled now").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Delete apart" }).click();
    await page.getByRole("dialog").getByText("2 ready, 1 scheduled, 0 running, 0 dead").waitFor();
  });

  test("are told apart further where some wait for a retry, and where a limit holds some back", async () => {
    const name = "held-back";
    await server.queues.createQueue({ name, settings: { maxConcurrency: 1 } });
    const backoff = { delays: [{ seconds: 3600n }] };
    const fails = await created(server, { queue: name, type: "fail", backoff });
    const hasFailed = async () => ((await server.jobs.getJob({ id: fails })).job?.retryCount === 1 ? true : undefined);
    await eventually(hasFailed, "the first failure");
    const sleep = { queue: name, type: "sleep", payloadKind: payload({ ms: 600_000 }) };
    const runs = await created(server, sleep);
    await reaches(server, runs, JobStatus.RUNNING);
    await server.jobs.batchCreateJobs({ requests: [sleep, sleep] });
    const page = await openConsole(server.url);
    await page.getByRole("img", { name: "now 0 ready, 0 scheduled, 1 retrying, 2 limited, 1 running" }).waitFor();
    await page.goto(`${server.url}/#/queues`);
    const row = page.getByRole("row", { name });
    for (const text of ["1 retrying", "As many of its jobs run as may."]) await row.getByText(text).waitFor();
    await row.getByRole("link", { name: "2 limited" }).click();
    await page.getByText("as many run as may").nth(1).waitFor();
    expect(await page.getByRole("row").count()).toBe(3);
    await page.getByLabel("Waits").selectOption("RETRYING");
    await page.getByRole("link", { name: fails }).waitFor();
    expect(await page.getByRole("row").count()).toBe(2);
    // Once it is due it waits for that no more, though nothing has changed it.
    await server.jobs.runJob({ id: fails });
    await page.getByText("No job matches.").waitFor();
    await server.queues.deleteQueue({ name, force: true });
  });

  test("say on their page why they do not run and when they will, as that changes", async () => {
    const name = "explained";
    await server.queues.createQueue({ name, settings: { maxConcurrency: 1 } });
    const sleep = { queue: name, type: "sleep", payloadKind: payload({ ms: 600_000 }) };
    const runs = await created(server, sleep);
    await reaches(server, runs, JobStatus.RUNNING);
    const schedule = { case: "delay", value: { seconds: 3600n } } as const;
    const id = await created(server, { ...sleep, schedule });
    const page = await openConsole(server.url, `/jobs/${id}`);
    await page.getByText(/Waits for its time, in (1 h|59 min)/).waitFor();
    await server.jobs.runJob({ id });
    await page.getByText("as many jobs of its queue explained run as may").waitFor();
    await server.queues.pauseQueue({ name });
    await page.getByText("its queue explained is paused").waitFor();
    await server.queues.deleteQueue({ name, force: true });
  });

  test("that are scheduled run now by a button on their page, which goes when they are ready; it tells when they expire and their unique key", async () => {
    const name = await newQueue(server, "hurried");
    await server.queues.pauseQueue({ name });
    const schedule = { case: "delay", value: { seconds: 3600n } } as const;
    const unique = { key: "report-42", until: UniqueUntil.STARTED, hold: { seconds: 60n } };
    const id = await created(server, { queue: name, type: "echo", schedule, ttl: { seconds: 7200n }, unique });
    const page = await openConsole(server.url, `/jobs/${id}`);
    await page.getByText("Expires unless begun", { exact: true }).waitFor();
    await page.getByText("report-42, until it starts, for 1 min at the least", { exact: true }).waitFor();
    const button = page.getByRole("button", { name: "Run now" });
    await button.click();
    await page.getByText("The job is ready now.").waitFor();
    await button.waitFor({ state: "detached" });
    expect((await server.queues.getQueue({ name })).queue?.stats).toMatchObject({ ready: 1, scheduled: 0 });
  });

  test("whose type nobody takes say so on their page, in the row of their queue and at a glance", async () => {
    const name = await newQueue(server, "untaken");
    const id = await created(server, { queue: name, type: "nobody-runs-this" });
    const sentence = "No worker takes type nobody-runs-this from this queue.";
    const page = await openConsole(server.url, `/jobs/${id}`);
    await page.getByText(sentence).waitFor();
    await page.goto(`${server.url}/#/queues`);
    await page.getByRole("row", { name }).getByText(sentence).waitFor();
    await page.goto(`${server.url}/#/`);
    await page
      .getByRole("article", { name: `Queue ${name}` })
      .getByText(sentence)
      .waitFor();
    // A worker that takes the type from another queue is no help; one that takes it from this queue is.
    await server.workers.leaseJobs({ worker: "elsewhere", queues: ["default"], types: ["nobody-runs-this"] });
    await page.reload();
    await page.getByText(sentence).waitFor();
    const leased = await server.workers.leaseJobs({ worker: "here", queues: [name], types: ["nobody-runs-this"] });
    expect(leased.leases.map(({ job }) => job?.id)).toEqual([id]);
    await created(server, { queue: name, type: "nobody-runs-this" });
    await page.getByText(sentence).waitFor({ state: "detached" });
  });

  test("whose type a worker takes say nothing of it, though their queue is paused", async () => {
    const name = await newQueue(server, "taken");
    await server.queues.pauseQueue({ name });
    const id = await created(server, { queue: name, type: "echo" });
    const other = await created(server, { type: "nobody-takes-this-either" });
    const page = await openConsole(server.url, "/queues");
    // Both queues were looked at once this one is told of.
    await page.getByRole("row", { name: "default" }).getByText("nobody-takes-this-either").waitFor();
    expect(await page.getByRole("row", { name }).getByText("No worker").count()).toBe(0);
    const workers = page.waitForResponse("**/ListWorkers");
    await page.goto(`${server.url}/#/jobs/${id}`);
    await isLive(page);
    await workers;
    expect(await page.getByText("No worker").count()).toBe(0);
    await server.jobs.cancelJob({ id: other });
  });
});

describe("the rate of a queue", () => {
  test("is set in its form, which names what is wrong with it; the row tells when the next job goes", async () => {
    const name = await newQueue(server, "metered");
    const page = await openConsole(server.url, "/queues");
    const row = page.getByRole("row", { name });
    await page.getByRole("button", { name: `Settings of ${name}` }).click();
    const change = page.getByRole("button", { name: "Change the settings" });
    await page.getByLabel("Rate").fill("often");
    await change.click();
    await page.getByText("Write 100 per 1m, or 100 per 1m, burst 5, or nothing.").waitFor();
    await page.getByLabel("Rate").fill("1 per 2h, burst 1000001");
    await change.click();
    await page.getByText("must be a whole number from 1 to 1000000, got 1000001").first().waitFor();
    await page.getByLabel("Rate").fill("1 per 2h, burst 2");
    await change.click();
    await row.getByText("1 per 2 h, bursts of 2").waitFor();
    expect(await row.getByText("Its rate holds jobs back").count()).toBe(0);
    for (let nth = 0; nth < 3; nth++) await created(server, { queue: name, type: "echo" });
    await row.getByText(/^Its rate holds jobs back; next slot in (2 h|1 h 59 min)/).waitFor();
    await row.getByText("1 limited", { exact: true }).waitFor();
    await page.getByRole("button", { name: `Settings of ${name}` }).click();
    expect(await page.getByLabel("Rate").inputValue()).toBe("1 per 2h, burst 2");
    await page.getByLabel("Rate").fill("");
    await change.click();
    await row.getByText("Its rate holds jobs back").waitFor({ state: "detached" });
    expect((await server.queues.getQueue({ name })).queue?.settings?.rateLimit).toBeUndefined();
  });
});

describe("the ready types of a queue", () => {
  /** Creates a queue with one ready job of each of so many types: `<name>-00`, `<name>-01` and so on. */
  async function withTypes(name: string, count: number): Promise<readonly string[]> {
    await newQueue(server, name);
    const types = Array.from({ length: count }, (_, at) => `${name}-${String(at).padStart(2, "0")}`);
    await server.jobs.batchCreateJobs({ requests: types.map((type) => ({ queue: name, type })) });
    return types;
  }

  test("are all looked at, however many jobs of another type wait before them", async () => {
    const name = await newQueue(server, "backlog");
    await server.queues.pauseQueue({ name });
    await created(server, { queue: name, type: "behind-them" });
    await server.jobs.batchCreateJobs({ requests: Array.from({ length: 200 }, () => ({ queue: name, type: "echo" })) });
    const page = await openConsole(server.url, "/queues");
    await page.getByRole("row", { name }).getByText("No worker takes type behind-them from this queue.").waitFor();
  });

  test("are said not to be all where the server names no more, even if these are taken", async () => {
    const name = "many-types";
    const types = await withTypes(name, 21);
    const page = await openConsole(server.url, "/queues");
    const cell = page.getByRole("row", { name });
    const isCut = "Only the first 20 types of its ready jobs were looked at.";
    const first =
      "No worker takes types many-types-00, many-types-01, many-types-02 and 17 more types from this queue.";
    await cell.getByText(`${first} ${isCut}`).waitFor();
    await server.queues.pauseQueue({ name });
    await server.workers.leaseJobs({ worker: "takes-many", queues: [name], types: types.slice(0, 20) });
    await cell.getByText(isCut, { exact: true }).waitFor();
  });

  test("are not said to be cut where they are not", async () => {
    const name = "few-types";
    await withTypes(name, 2);
    const page = await openConsole(server.url, "/queues");
    const sentence = "No worker takes types few-types-00, few-types-01 from this queue.";
    await page.getByRole("row", { name }).getByText(sentence, { exact: true }).waitFor();
  });
});

describe("workers", () => {
  test("are read page by page, and those beyond the first 2,000 said not to be read", async () => {
    const mine = await startTestServer({ NUM_WORKERS: "0" });
    const poll = (from: number, to: number) =>
      Promise.all(
        Array.from({ length: to - from }, (_, at) =>
          mine.workers.leaseJobs({ worker: `poller-${from + at}`, types: [`type-${from + at}`] }),
        ),
      );
    await poll(0, 2000);
    const id = await created(mine, { type: "nobody-takes-it" });
    const page = await openConsole(mine.url, "/workers");
    await page.getByText("poller-1999", { exact: true }).waitFor();
    expect(await page.getByText("were read").count()).toBe(0);
    await poll(2000, 2001);
    await page.getByText("Only the first 2,000 workers were read; there are more.").waitFor();
    expect(await page.locator("tbody tr").count()).toBe(2000);
    await page.goto(`${mine.url}/#/`);
    await page.getByText("0 of 2,000").waitFor();
    await page.getByText("busy, the first 2,000").waitFor();
    await page.goto(`${mine.url}/#/jobs/${id}`);
    const sentence = "None of the first 2,000 workers takes type nobody-takes-it from this queue.";
    await page.getByText(sentence).waitFor();
  });

  test("are those of this server where others may share its store, and simply workers where none can", async () => {
    const id = await created(server, { type: "known-elsewhere" });
    const shared = await openShared("/workers");
    await shared.getByRole("heading", { name: "Workers of this server" }).waitFor();
    await shared.getByText("Other servers on the same store").waitFor();
    await shared.goto(`${server.url}/#/`);
    await shared.getByText("busy, of this server").waitFor();
    await shared.goto(`${server.url}/#/jobs/${id}`);
    await shared.getByText("No worker known to this server takes type known-elsewhere from this queue.").waitFor();

    const alone = await openConsole(server.url, "/workers");
    await alone.getByText("memory (jobs end with the server)").waitFor();
    await alone.getByRole("cell", { name: "built in" }).waitFor();
    expect(await alone.getByText("of this server").count()).toBe(0);
    await alone.goto(`${server.url}/#/`);
    await alone.getByText("memory, not durable").waitFor();
    expect(await alone.getByText("of this server").count()).toBe(0);
  });
});
