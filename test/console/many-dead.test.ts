import { beforeAll, describe, expect, test } from "vitest";
import { created, finished, payload } from "../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../support/server.js";
import { eventually } from "../support/wait.js";
import { isLive, openConsole } from "./support/browser.js";

let server: TestServer;

/** More than the page reads: one old death that it does not come to, and 2,100 later ones. */
beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "100" });
  const name = await newQueue(server, "many");
  await finished(server, await created(server, { ...fail("a rare one"), queue: name }));
  for (let batch = 0; batch < 3; batch++) {
    await server.jobs.batchCreateJobs({
      requests: Array.from({ length: 700 }, () => ({ ...fail("a common one"), queue: name })),
    });
  }
  await eventually(async () => {
    const { queue } = await server.queues.getQueue({ name });
    return queue?.stats?.dead === 2101 ? true : undefined;
  }, "2,101 deaths");
});

const fail = (message: string) => ({ type: "fail", maxRetries: 0, payloadKind: payload({ message }) });

describe("more dead jobs than the page reads", () => {
  test("are told of as what was read and what there is", async () => {
    const page = await openConsole(server.url, "/dlq?queue=many");
    await page
      .getByText("Showing the first 2,000 of 2,101 dead jobs in queue many; groups and search cover only these")
      .waitFor();
    await page.getByLabel("Type").fill("fail");
    await page
      .getByText("Showing the first 2,000 dead jobs of type fail in queue many, and there may be more")
      .waitFor();
  });

  test("are not said to have none that matches when not all were read, and what matches is counted by the server", async () => {
    const page = await openConsole(server.url, "/dlq?queue=many");
    await isLive(page);
    await page.getByLabel("Error contains").fill("a rare one");
    await page.getByText("No dead job matches among the 2,000 read.").waitFor();
    await page.getByRole("button", { name: "Delete all that match…" }).click();
    const dialog = page.getByRole("dialog", { name: "Delete 1 dead job?" });
    await dialog.getByText("1 dead job in queue many, with “a rare one” in their error matches now.").waitFor();
  });
});

describe("a group of dead jobs", () => {
  test("asks about all whose error contains its text, and says how many more these are", async () => {
    const name = await newQueue(server, "contained");
    for (const message of ["timeout", "timeout", "timeout after 5 s"]) {
      await finished(server, await created(server, { ...fail(message), queue: name }));
    }
    const page = await openConsole(server.url, `/dlq?queue=${name}`);
    const group = page.getByRole("article", { name: "2 dead jobs" });
    await group.getByRole("button", { name: "Delete all" }).click();
    const dialog = page.getByRole("dialog", { name: "Delete 3 dead jobs?" });
    await dialog
      .getByText("with “timeout” in their error match now. That is 1 job more than this group shows")
      .waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("article", { name: "1 dead job" }).getByRole("button", { name: "Replay all" }).click();
    await page.getByRole("dialog", { name: "Replay 1 dead job?" }).waitFor();
    expect(await page.getByText("more than this group shows").count()).toBe(0);
  });
});
