import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Route } from "playwright-core";
import { describe, expect, onTestFinished, test } from "vitest";
import { created, finished } from "../support/rpc.js";
import { createClients, startTestServer } from "../support/server.js";
import { startServerProcess } from "../support/server-process.js";
import { GRPC } from "../support/transports.js";
import { eventually } from "../support/wait.js";
import { isLive, openConsole } from "./support/browser.js";

const QUIET = { LOG_LEVEL: "silent" };

describe("a console whose server is killed", () => {
  test.each([
    ["overview", "/", "Queue default"],
    ["jobs", "/jobs", "echo"],
  ])("says so on the page %s, and goes on by itself when there is one again", async (_name, path, text) => {
    const first = await startServerProcess(QUIET);
    await finished(createClients(GRPC, first.url), await created(createClients(GRPC, first.url), { type: "echo" }));
    const { page, seen } = await openTolerant(first.url, path);
    await isLive(page);
    await seen(text);

    await first.end("SIGKILL");
    await page.getByText("Not connected.").waitFor();
    await page.getByText("Reconnecting…").waitFor();
    await seen(text);

    const second = await startServerProcess({ ...QUIET, PORT: new URL(first.url).port });
    await isLive(page);
    await page.getByText("Not connected.").waitFor({ state: "detached" });
    const id = await created(createClients(GRPC, second.url), { type: "echo" });
    await page.goto(`${first.url}/#/jobs`);
    await page.getByRole("link", { name: id }).waitFor();
    await second.end();
  });

  test("has the jobs that were kept in a file, tells where they are kept, and lists new ones as they come", async () => {
    const folder = mkdtempSync(join(tmpdir(), "gotaskq-console-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const env = { ...QUIET, NUM_WORKERS: "0", DATA_DIR: folder };
    const first = await startServerProcess(env);
    const kept = await created(createClients(GRPC, first.url), { type: "echo" });
    const { page, seen } = await openTolerant(first.url, "/jobs");
    const row = (id: string) => page.getByRole("link", { name: id }).waitFor();
    await isLive(page);
    await row(kept);

    await first.end("SIGKILL");
    await page.getByText("Reconnecting…").waitFor();
    const second = await startServerProcess({ ...env, PORT: new URL(first.url).port });
    await isLive(page);
    await row(await created(createClients(GRPC, second.url), { type: "echo" }));
    await row(kept);

    await page.getByRole("link", { name: "Workers" }).first().click();
    await seen("file (jobs survive)");
    // Nobody else works on it: nothing is said of other servers.
    await page.getByRole("heading", { name: "Workers", exact: true, level: 2 }).waitFor();
    await second.end();
  });
});

describe("a console whose server stands still", () => {
  test.each([
    ["queues", "/queues"],
    ["job", "/jobs/"],
    ["workers", "/workers"],
    ["new job", "/jobs/new"],
  ])("says so on the page %s, in words for people, and is live again when the server goes on", async (name, path) => {
    const server = await startServerProcess(QUIET);
    const job = name === "job" ? await created(createClients(GRPC, server.url), { type: "nobody-runs-this" }) : "";
    const { page } = await openTolerant(server.url, `${path}${job}`);
    await isLive(page);

    server.child.kill("SIGSTOP");
    const banner = page.locator(".banner");
    await banner.getByText("Not connected. The server is not answering.").waitFor();
    expect(await page.locator("body").innerText()).not.toMatch(/abort|signal|timed out/);
    // Another page does not begin with a better opinion.
    await page.getByRole("link", { name: "Dead letters" }).click();
    await page.getByRole("heading", { name: "Dead letters" }).waitFor();
    expect(await banner.count()).toBe(1);
    await page.goBack();

    server.child.kill("SIGCONT");
    await isLive(page);
    await banner.waitFor({ state: "detached" });
    await server.end("SIGKILL");
  });

  test("asks it only while somebody sees the page", async () => {
    const server = await startTestServer();
    const page = await openConsole(server.url, "/about-to-start");
    await page.clock.install();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.goto(`${server.url}/#/queues`);
    await isLive(page);
    const health = () => asked.filter((url) => url.endsWith("/Check")).length;
    await page.clock.fastForward(6000);
    await eventually(async () => (health() === 1 ? true : undefined), "a question whether it still answers");

    await page.evaluate(`Object.defineProperty(document, "hidden", { value: true, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"))`);
    asked.length = 0;
    await page.clock.fastForward(30_000);
    await page.clock.fastForward(20_000);
    expect(asked).toEqual([]);
  });
});

describe("what went wrong with a call", () => {
  test.each([
    ["is cut off", (route: Route) => route.abort("connectionreset"), "The server does not answer.", 0],
    [
      "gets the page of a proxy",
      (route: Route) => route.fulfill({ status: 502, body: "no" }),
      "Something else answered",
      0,
    ],
    ["has no answer in time", () => undefined, "The server did not answer in time.", 16_000],
  ])("is said in words for people when it %s", async (_what, answer, text, passed) => {
    const server = await startTestServer();
    const { page } = await openTolerant(server.url, "/about-to-start");
    await page.clock.install();
    await page.route("**/PauseQueue", answer);
    await page.goto(`${server.url}/#/queues`);
    await page.getByRole("button", { name: "Pause default" }).click();
    // Only where it must: what is said goes away after a while.
    await page.clock.runFor(passed);
    await page.locator(".notice.error").getByText(text).waitFor();
  });
});

/** Opens a page that will see its server go. */
async function openTolerant(url: string, path: string) {
  const page = await openConsole(url, path, {}, { isServerKilled: true });
  return {
    page,
    seen: (text: string) => page.getByText(text).or(page.getByLabel(text)).first().waitFor(),
  };
}

describe("a console that nobody sees", () => {
  test("gives its connection back after a minute, and is live again when it is seen", async () => {
    const server = await startTestServer();
    const openStreams = async () =>
      [...(await server.metrics()).matchAll(/^gotaskq_open_streams\{.*\} (\d+)/gm)].reduce(
        (sum, [, n]) => sum + Number(n),
        0,
      );
    const page = await openConsole(server.url, "/about-to-start");
    await page.clock.install();
    await page.goto(`${server.url}/#/queues`);
    await isLive(page);
    expect(await openStreams()).toBe(1);
    const show = (isHidden: boolean) =>
      page.evaluate(`Object.defineProperty(document, "hidden", { value: ${isHidden}, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"))`);
    await show(true);
    await page.clock.fastForward(61_000);
    await eventually(async () => ((await openStreams()) === 0 ? true : undefined), "the end of the stream");
    await page.clock.fastForward(30_000);
    await page.getByText("Connecting…").waitFor();
    expect(await openStreams()).toBe(0);
    await show(false);
    await isLive(page);
    expect(await openStreams()).toBe(1);
  });
});

describe("a console that is asked for a token", () => {
  test("shows a form, keeps the token in its tab, and sends it from then on", async () => {
    const server = await startTestServer();
    const page = await openConsole(server.url, "/jobs");
    await isLive(page);
    const sent: (string | undefined)[] = [];
    // Stands for a server that wants tokens: this one accepts any.
    await page.route("**/gotaskq.v1.*/*", async (route) => {
      const authorization = route.request().headers().authorization;
      sent.push(authorization);
      if (authorization === "Bearer s3cret") await route.continue();
      else await route.fulfill({ status: 401, json: { code: "unauthenticated", message: "no token" } });
    });
    await page.goto("about:blank");
    await page.goto(`${server.url}/#/queues`);
    const dialog = page.getByRole("dialog", { name: "The server asks for a token" });
    await dialog.getByLabel("Token").fill("wrong");
    await dialog.getByRole("button", { name: "Use this token" }).click();
    await dialog.getByText("The server did not accept the token of this tab.").waitFor();
    await dialog.getByLabel("Token").fill("s3cret");
    await dialog.getByRole("button", { name: "Use this token" }).click();
    await isLive(page);
    await page.getByRole("button", { name: "Pause default" }).waitFor();
    await dialog.waitFor({ state: "detached" });
    expect(new Set(sent)).toEqual(new Set([undefined, "Bearer wrong", "Bearer s3cret"]));
    expect(await page.evaluate("JSON.stringify([Object.values(sessionStorage), localStorage.length])")).toBe(
      '[["s3cret"],0]',
    );
  });
});
