import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { created, finished, jsonOf, payload, present, refusal } from "../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../support/server.js";
import { eventually } from "../support/wait.js";
import { isLive, openConsole } from "./support/browser.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ BASE_DELAY: "1", MAX_DELAY: "1" });
});

const fail = (message: string) => ({ type: "fail", maxRetries: 0, payloadKind: payload({ message }) });

describe("jobs in the console", () => {
  test("are created by a form and seen to run to DONE live", async () => {
    // It runs once its page is there to see it.
    await server.queues.pauseQueue({ name: "default" });
    const page = await openConsole(server.url, "/jobs/new");
    await page.getByLabel("Type").fill("sleep");
    await page.getByLabel("Payload (JSON)").fill('{"ms": 300}');
    await page.getByLabel("Priority").fill("7");
    await page.getByText("More", { exact: true }).click();
    await page.getByLabel("Metadata").fill("team=search");
    await page.getByLabel("Key").fill("acme");
    await page.getByRole("button", { name: "Create the job" }).click();

    await page.getByRole("heading", { name: /^Job \d+$/ }).waitFor();
    await page.getByText("acme", { exact: true }).waitFor();
    await isLive(page);
    await server.queues.resumeQueue({ name: "default" });
    const changes = page.getByRole("list").last().getByRole("listitem");
    await changes.filter({ hasText: "DONE" }).waitFor();
    expect((await changes.allInnerTexts()).map((text) => /[A-Z]{4,}/.exec(text)?.[0])).toEqual(
      expect.arrayContaining(["DONE", "RUNNING"]),
    );
    const id = page.url().split("/").at(-1) ?? "";
    const { job } = await server.jobs.getJob({ id });
    expect(job).toMatchObject({ type: "sleep", priority: 7, key: "acme", status: JobStatus.DONE });
    expect(job?.metadata).toEqual({ team: "search" });
    expect(jsonOf(present(job).payloadKind)).toEqual({ ms: 300 });
  });

  test("are not created from JSON that is none: the form says where it is wrong", async () => {
    const page = await openConsole(server.url, "/jobs/new");
    await page.getByLabel("Type").fill("echo");
    await page.getByLabel("Payload (JSON)").fill('{\n  "a": 1,\n  b\n}');
    await page.getByText("in line 3, column 3").waitFor();
    await page.getByRole("button", { name: "Create the job" }).click();
    await page.locator("textarea:focus[aria-invalid]").waitFor();
    expect(page.url()).toContain("/jobs/new");
  });

  test("are refused with the reason beside the field that the server names", async () => {
    const page = await openConsole(server.url, "/jobs/new");
    await page.getByLabel("Type").fill("echo");
    await page.getByLabel("Priority").fill("11");
    await page.getByRole("button", { name: "Create the job" }).click();
    await page.locator(".field", { hasText: "Priority" }).locator(".problem").waitFor();
  });

  test("appear in the list of their queue and change there, and the filter is in the address", async () => {
    const name = await newQueue(server, "listed");
    const page = await openConsole(server.url, `/jobs?queue=${name}`);
    await page.getByText("No job matches.").waitFor();
    await isLive(page);
    const id = await created(server, { queue: name, type: "sleep", payloadKind: payload({ ms: 60_000 }) });
    const row = page.getByRole("row", { name: id });
    await row.getByText("RUNNING").waitFor();
    await server.jobs.cancelJob({ id });
    await row.getByText("CANCELED").waitFor();
    await page.getByLabel("Status").selectOption("PENDING");
    await page.getByText("No job matches.").waitFor();
    expect(page.url()).toContain(`/jobs?queue=${name}&status=PENDING`);
    await page.getByLabel("Status").selectOption("CANCELED");
    await page.getByRole("link", { name: id }).click();
    await page.getByRole("heading", { name: `Job ${id}` }).waitFor();
  });

  test("are cancelled and deleted after a question", async () => {
    const id = await created(server, { type: "sleep", payloadKind: payload({ ms: 60_000 }) });
    const page = await openConsole(server.url, `/jobs/${id}`);
    await page.getByRole("button", { name: "Cancel", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel the job" }).click();
    await page.locator("main .badge", { hasText: "CANCELED" }).first().waitFor();
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await page.getByRole("dialog", { name: "Delete this job?" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete the job" }).click();
    await page.getByRole("heading", { name: "Jobs" }).waitFor();
    expect(await refusal(server.jobs.getJob({ id }))).toMatchObject({ reason: "JOB_NOT_FOUND" });
  });

  test("get another priority and time while they wait", async () => {
    const id = await created(server, { type: "echo", schedule: { case: "delay", value: durationFromMs(3_600_000) } });
    const page = await openConsole(server.url, `/jobs/${id}`);
    await page.getByRole("button", { name: "Change", exact: true }).click();
    const form = page.getByRole("dialog", { name: "Change this job" });
    await form.getByLabel("Priority").fill("11");
    await form.getByRole("button", { name: "Change the job" }).click();
    await form.locator(".field", { hasText: "Priority" }).locator(".problem").waitFor();
    await form.getByLabel("Priority").fill("9");
    await form.getByRole("button", { name: "Change the job" }).click();
    await page.getByText("The job is changed.").waitFor();
    const { job } = await server.jobs.getJob({ id });
    expect(job).toMatchObject({ priority: 9, revision: 2, status: JobStatus.PENDING });
    await page.getByRole("button", { name: "Change", exact: true }).click();
    await form.getByLabel("Run in").fill("0s");
    await form.getByRole("button", { name: "Change the job" }).click();
    await page.locator("main .badge", { hasText: "DONE" }).first().waitFor();
  });

  test("are paged, 50 at a time", async () => {
    const name = await newQueue(server, "paged");
    await server.queues.pauseQueue({ name });
    await server.jobs.batchCreateJobs({ requests: Array.from({ length: 60 }, () => ({ queue: name, type: "echo" })) });
    const page = await openConsole(server.url, `/jobs?queue=${name}`);
    const rows = page.locator("tbody tr");
    await rows.nth(49).waitFor();
    expect(await rows.count()).toBe(50);
    await page.getByRole("link", { name: "Next page" }).click();
    await page.getByRole("link", { name: "First page" }).waitFor();
    await eventually(async () => ((await rows.count()) === 10 ? true : undefined), "the ten jobs of the second page");
  });
});

describe("dead jobs in the console", () => {
  test("are grouped by error, looked at, and retried from their page", async () => {
    const name = await newQueue(server, "dead1");
    const id = await created(server, { ...fail("no such user"), queue: name, payloadKind: payload({ times: 1 }) });
    await finished(server, id);
    const page = await openConsole(server.url, `/dlq?queue=${name}`);
    await page.getByRole("article", { name: "1 dead job" }).getByText("Look at the jobs").click();
    await page.getByRole("link", { name: id }).click();
    await page.getByText("Failed attempts").waitFor();
    await page.getByRole("button", { name: "Retry" }).click();
    const changes = page.locator(".changes li");
    await changes.filter({ hasText: "waits" }).first().waitFor();
    await eventually(
      async () => ((await changes.filter({ hasText: "DEAD" }).count()) > 1 ? true : undefined),
      "a second death",
    );
  });

  test("that match are counted first and then replayed, no more than were counted", async () => {
    const name = await newQueue(server, "dead2");
    await server.queues.createQueue({ name: "dead2-other" });
    for (const message of ["timeout", "timeout", "refused"]) {
      await finished(server, await created(server, { ...fail(message), queue: name }));
    }
    await server.queues.pauseQueue({ name });
    const page = await openConsole(server.url, `/dlq?queue=${name}`);
    await page.getByRole("article").first().getByText("timeout").waitFor();
    await page.getByLabel("Error contains").fill("timeout");
    await page.getByRole("button", { name: "Replay all that match…" }).click();
    const dialog = page.getByRole("dialog", { name: "Replay 2 dead jobs?" });
    await dialog.getByText("with “timeout” in their error").waitFor();
    await dialog.getByRole("button", { name: "Replay 2 jobs" }).click();
    await page.getByText("Replayed 2 jobs.").waitFor();
    await page.getByText("No dead job matches.").waitFor();
    const { queue } = await server.queues.getQueue({ name });
    expect(queue?.stats).toMatchObject({ ready: 2, dead: 1 });
  });

  test("that were chosen are deleted, and the others stay", async () => {
    const name = await newQueue(server, "dead3");
    const ids: string[] = [];
    for (let count = 0; count < 3; count++) ids.push(await created(server, { ...fail("no"), queue: name }));
    for (const id of ids) await finished(server, id);
    const page = await openConsole(server.url, `/dlq?queue=${name}`);
    await page.getByText("Look at the jobs").click();
    await page.getByLabel(`Choose job ${ids[0]}`).check();
    await page.getByLabel(`Choose job ${ids[2]}`).check();
    await page.getByRole("button", { name: "Delete the chosen…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete 2 jobs" }).click();
    await page.getByRole("article", { name: "1 dead job" }).waitFor();
    const { jobs } = await server.dlq.listDeadJobs({ queue: name });
    expect(jobs.map(({ id }) => id)).toEqual([ids[1]]);
  });

  test("appear by themselves", async () => {
    const name = await newQueue(server, "dead4");
    const page = await openConsole(server.url, `/dlq?queue=${name}`);
    await page.getByText("No dead job matches.").waitFor();
    await isLive(page);
    await created(server, { ...fail("later"), queue: name });
    await page.getByRole("article", { name: "1 dead job" }).waitFor();
  });
});

describe("queues in the console", () => {
  test("are created, changed, paused, resumed, purged and deleted", async () => {
    const page = await openConsole(server.url, "/queues");
    await page.getByRole("button", { name: "New queue" }).click();
    await page.getByLabel("Name").fill("web");
    await page.getByLabel("Most jobs at once").fill("2");
    await page.getByLabel("Most jobs of one key at once").fill("1");
    await page.getByRole("button", { name: "Create the queue" }).click();
    const row = page.getByRole("row", { name: "web" });
    await row.getByText("by priority, 2 at once, 1 of a key at once").waitFor();

    await page.getByRole("button", { name: "Pause web" }).click();
    await row.getByText("PAUSED").waitFor();
    const id = await created(server, { queue: "web", type: "echo" });
    await row.getByRole("cell", { name: "1", exact: true }).waitFor();
    expect((await server.jobs.getJob({ id })).job).toMatchObject({ status: JobStatus.PENDING });

    await page.getByRole("button", { name: "Purge web" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete the waiting jobs" }).click();
    await page.getByText("Deleted 1 waiting job of web.").waitFor();

    await page.getByRole("button", { name: "Settings of web" }).click();
    await page.getByLabel("Order").selectOption("keys take turns");
    await page.getByLabel("Weight").fill("5");
    await page.getByRole("button", { name: "Change the settings" }).click();
    await row.getByText("keys take turns, weight 5, 2 at once, 1 of a key at once").waitFor();

    await page.getByRole("button", { name: "Resume web" }).click();
    await finished(server, await created(server, { queue: "web", type: "echo" }));
    await page.getByRole("button", { name: "Delete web" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete the queue" }).click();
    await row.waitFor({ state: "detached" });
  });

  test("say what they keep and what their jobs get, and a later change of another setting leaves that", async () => {
    const page = await openConsole(server.url, "/queues");
    await page.getByRole("button", { name: "New queue" }).click();
    await page.getByLabel("Name").fill("kept");
    await page.getByLabel("Keep dead jobs for").fill("a week");
    await page.getByRole("button", { name: "Create the queue" }).click();
    await page.getByText("Write a time like 90s").waitFor();
    await page.getByLabel("Keep dead jobs for").fill("7d");
    await page.getByLabel("Waits between retries").fill("1s, 90s");
    await page.getByRole("button", { name: "Create the queue" }).click();
    const row = page.getByRole("row", { name: "kept" });
    await row.getByText("dead ones kept 7 d, retries wait 1 s, then 1 min 30 s each").waitFor();
    await page.getByRole("button", { name: "Settings of kept" }).click();
    expect(await page.getByLabel("Waits between retries").inputValue()).toBe("1s, 90s");
    await page.getByLabel("Waits between retries").fill("100ms x 1.5 up to 5s");
    await page.getByRole("button", { name: "Change the settings" }).click();
    await row.getByText("dead ones kept 7 d, retries wait 100 ms, then 1.5 times as long each").waitFor();
    const { queue } = await server.queues.getQueue({ name: "kept" });
    expect(queue?.settings).toMatchObject({
      deadTtl: { seconds: 604_800n },
      defaultBackoff: { multiplier: 1.5, baseDelay: { nanos: 100_000_000 } },
    });
    await server.queues.deleteQueue({ name: "kept" });
  });

  test("are seen at a glance, with server and workers", async () => {
    const page = await openConsole(server.url);
    const card = page.getByRole("article", { name: "Queue default" });
    await card.getByText("Oldest ready").waitFor();
    await page.getByText("memory, not durable").waitFor();
    await page.getByRole("link", { name: "Workers" }).first().click();
    await page.getByRole("cell", { name: "built in" }).waitFor();
    await page.getByText("logger, echo, sleep, fail").waitFor();
  });
});
