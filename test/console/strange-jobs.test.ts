import { beforeAll, describe, expect, test } from "vitest";
import { TRACE } from "../support/job.js";
import { created, finished, payload } from "../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../support/server.js";
import { eventually } from "../support/wait.js";
import { isLive, openConsole } from "./support/browser.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

/** Sets `window.attacked` if the page runs it. */
const ATTACK = `</pre><script>window.attacked = 1</script><img src=x onerror="window.attacked = 1">`;

describe("what a job says", () => {
  test("is text and never markup, wherever it is shown", async () => {
    const id = await created(server, {
      type: ATTACK,
      payloadKind: payload({ [ATTACK]: ATTACK }),
      metadata: { [ATTACK]: ATTACK },
    });
    const dead = await created(server, { type: "fail", maxRetries: 0, payloadKind: payload({ message: ATTACK }) });
    await finished(server, dead);
    for (const path of [`/jobs/${id}`, "/jobs", `/jobs/${dead}`, "/dlq", `/jobs?type=${encodeURIComponent(ATTACK)}`]) {
      const page = await openConsole(server.url, path);
      // Among the dead letters numbers are taken out of errors.
      await page
        .getByText(/window\.attacked = [1#]/)
        .first()
        .waitFor();
      expect(
        await page.evaluate("[typeof attacked, document.querySelectorAll('main img, main script').length]"),
      ).toEqual(["undefined", 0]);
    }
  });

  test("is cut when it is long, and shown whole when asked: a payload of 200 KB", async () => {
    const lines = Array.from({ length: 4000 }, (_, at) => `line ${at} ${"x".repeat(40)}`);
    const id = await created(server, { type: "nobody-runs-this", payloadKind: payload({ lines }) });
    const page = await openConsole(server.url, `/jobs/${id}`);
    const box = page.getByRole("region", { name: "payload" });
    await box.getByText("line 0 ").waitFor();
    expect((await box.innerText()).length).toBeLessThan(25_000);
    await page.getByRole("button", { name: /^Show all 2\d\d,\d{3} characters$/ }).click();
    await eventually(async () => ((await box.innerText()).includes("line 3999 ") ? true : undefined), "the last line");
    await page.getByRole("button", { name: "Download" }).waitFor();
  });

  test("is not copied where browsers forbid it, and the page says so and does not blame the server", async () => {
    const id = await created(server, { type: "nobody-runs-this", payloadKind: payload({ a: 1 }) });
    const page = await openConsole(server.url, `/jobs/${id}`);
    // As on a page that came without TLS from another machine.
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })");
    await page.getByRole("button", { name: "Copy the payload" }).click();
    await page.getByText("The browser does not let this page copy.").waitFor();
  });

  test("tells the trace that it belongs to", async () => {
    const id = await created(server, { type: "nobody-runs-this", traceContext: TRACE });
    const page = await openConsole(server.url, `/jobs/${id}`);
    await page.locator(".facts div", { hasText: "Trace" }).getByText("4bf92f3577b34da6a3ce929d0e0e4736").waitFor();
  });

  test("as bytes is shown in hexadecimal", async () => {
    const payloadKind = { case: "payloadBytes", value: new Uint8Array([0, 255, 71, 111]) } as const;
    const id = await created(server, { type: "nobody-runs-this", payloadKind });
    const page = await openConsole(server.url, `/jobs/${id}`);
    await page.getByText("00 ff 47 6f").waitFor();
    await page.getByText("4 bytes").waitFor();
  });
});

describe("a busy queue", () => {
  test("of 10,000 jobs and hundreds of changes a second leaves the page answering, and drawn far less often than changed", async () => {
    const name = await newQueue(server, "busy");
    const requests = Array.from({ length: 1000 }, () => ({ queue: name, type: "nobody-runs-this" }));
    for (let batch = 0; batch < 10; batch++) await server.jobs.batchCreateJobs({ requests });
    const page = await openConsole(server.url, `/jobs?queue=${name}`);
    await isLive(page);
    await page.locator("tbody tr").nth(49).waitFor();
    await page.evaluate(`(() => {
      window.draws = 0;
      new MutationObserver(() => { window.draws++; }).observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true });
    })()`);

    // Each of these jobs changes three times: batch after batch, until the page was used.
    let changes = 0;
    let isUsed = false;
    const load = (async () => {
      while (!isUsed || changes < 1500) {
        const jobs = Array.from({ length: 17 }, () => ({ queue: name, type: "echo" }));
        const { results } = await server.jobs.batchCreateJobs({ requests: jobs });
        changes += 3 * jobs.length;
        await finished(server, results.at(-1)?.jobId ?? "");
      }
    })();
    try {
      await page.locator("tbody tr").getByText("DONE").first().waitFor();
      await page.getByRole("button", { name: "Hold still" }).click();
      await page.getByRole("button", { name: "Go on" }).click();
      await page.getByLabel("Status").selectOption("PENDING");
      await page.locator("tbody tr").getByText("nobody-runs-this").nth(49).waitFor();
      await page.getByLabel("Status").selectOption("DONE");
      await page.locator("tbody tr").getByText("echo").first().click();
    } finally {
      isUsed = true;
      await load;
    }
    expect(await page.locator("tbody tr").count()).toBeLessThanOrEqual(50);
    expect(Number(await page.evaluate("draws"))).toBeLessThan(changes / 5);
    await page.locator("tbody a").first().click();
    await page.getByRole("heading", { name: /^Job \d+(@\S+)?$/ }).waitFor();
  });
});
