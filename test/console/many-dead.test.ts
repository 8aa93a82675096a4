import { beforeAll, describe, expect, test } from "vitest";
import { payload } from "../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../support/server.js";
import { eventually } from "../support/wait.js";
import { isLive, openConsole } from "./support/browser.js";

let server: TestServer;

const fail = (message: string) => ({ type: "fail", maxRetries: 0, payloadKind: payload({ message }) });

/** Lets this many jobs die, with errors of `messageOf`. */
async function bury(queue: string, count: number, messageOf: (at: number) => string): Promise<void> {
  const before = (await server.queues.getQueue({ name: queue })).queue?.stats?.dead ?? 0;
  for (let made = 0; made < count; made += 500) {
    const requests = Array.from({ length: Math.min(500, count - made) }, (_, at) => ({
      ...fail(messageOf(made + at)),
      queue,
    }));
    await server.jobs.batchCreateJobs({ requests });
  }
  await eventually(async () => {
    const { queue: now } = await server.queues.getQueue({ name: queue });
    return now?.stats?.dead === before + count ? true : undefined;
  }, `${count} deaths`);
}

/** One rare, old death in the last of all queues, and many later ones. */
beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "100" });
  await server.queues.createQueue({ name: "zz-rare" });
  await bury("zz-rare", 1, () => "a rare one");
  await server.queues.createQueue({ name: "many" });
  await bury("many", 2600, (at) =>
    at < 2500 ? `request ${at} timed out after ${at % 7} s` : `of kind ${"x".repeat(at - 2499)}`,
  );
});

describe("very many dead jobs", () => {
  test("are counted and grouped by the server, all of them", async () => {
    const page = await openConsole(server.url, "/dlq");
    await page.getByText("2,601 dead jobs in 102 groups").waitFor();
    await page.getByRole("article", { name: "2,500 dead jobs: fail in many" }).waitFor();
    await page.getByLabel("Error contains").fill("a rare one");
    await page.getByText("1 dead job in 1 group").waitFor();
    await page.getByRole("article", { name: "1 dead job: fail in zz-rare" }).waitFor();
    await page.getByLabel("Error contains").fill("timed out after 3 s");
    await page.getByText("357 dead jobs in 1 group").waitFor();
  });

  test("are drawn as one scrolls, the groups and the jobs of one", async () => {
    const page = await openConsole(server.url, "/dlq?queue=many");
    await page.getByRole("article").nth(29).waitFor();
    expect(await page.getByRole("article").count()).toBeLessThan(101);
    await page.getByRole("button", { name: "Show more groups" }).scrollIntoViewIfNeeded();
    await page.getByRole("article").nth(59).waitFor();
    const group = page.getByRole("article", { name: "2,500 dead jobs" });
    await group.getByText("Look at the jobs").click();
    await group.getByText("Choose all 50 shown").waitFor();
    await group.getByRole("button", { name: "Show more jobs" }).scrollIntoViewIfNeeded();
    await group.getByText("Choose all 100 shown").waitFor();
  });

  test("of a group are replayed, all that match and no others", async () => {
    const page = await openConsole(server.url, "/dlq?queue=many&error=after+3+s");
    await isLive(page);
    await server.queues.pauseQueue({ name: "many" });
    const group = page.getByRole("article", { name: "357 dead jobs" });
    await group.getByRole("button", { name: "Replay all" }).click();
    const dialog = page.getByRole("dialog", { name: "Replay 357 dead jobs?" });
    await dialog.getByText("with the error “request # timed out after # s” match now").waitFor();
    await dialog.getByRole("button", { name: "Replay 357 jobs" }).click();
    await page.getByText("Replayed 357 jobs.").waitFor();
    const { queue } = await server.queues.getQueue({ name: "many" });
    expect(queue?.stats).toMatchObject({ dead: 2243, ready: 357 });
  });
});

describe("a group of dead jobs", () => {
  test("is acted on alone, not with those whose error contains its text", async () => {
    const name = await newQueue(server, "contained");
    await bury(name, 3, (at) => ["timeout", "timeout", "timeout after 5 s"][at] ?? "");
    const page = await openConsole(server.url, `/dlq?queue=${name}`);
    const group = page.getByRole("article", { name: "2 dead jobs" });
    await group.getByRole("button", { name: "Delete all" }).click();
    const dialog = page.getByRole("dialog", { name: "Delete 2 dead jobs?" });
    await dialog.getByText("with the error “timeout” match now").waitFor();
    await dialog.getByRole("button", { name: "Delete 2 jobs" }).click();
    await page.getByText("Deleted 2 jobs.").waitFor();
    await page.getByRole("article", { name: "1 dead job" }).getByText("timeout after # s").waitFor();
    const { jobs } = await server.dlq.listDeadJobs({ queue: name });
    expect(jobs.map(({ error }) => error)).toEqual(["timeout after 5 s"]);
  });
});

describe("the list of jobs", () => {
  test("is filtered by error in the store, also where few match among many", async () => {
    const page = await openConsole(server.url, "/jobs");
    await page.getByLabel("Error contains").fill("a rare one");
    await page.getByRole("cell", { name: "zz-rare", exact: true }).waitFor();
    expect(await page.locator("tbody tr").count()).toBe(1);
    await page.getByLabel("Status").selectOption("PENDING");
    await page.getByText("No job matches.").waitFor();
  });
});
