import { create, toBinary } from "@bufbuild/protobuf";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { GetServerInfoResponseSchema } from "../../gen/gotaskq/v1/server_service_pb.js";
import { created } from "../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../support/server.js";
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

describe("workers", () => {
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
