import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { PATIENCE_MS } from "../../support/wait.js";

const INDEX = fileURLToPath(new URL("../../../.build/console/index.html", import.meta.url));

/** A page of the console, which must not complain. */
export interface Opened {
  readonly page: Page;
  /** Its complaints: uncaught errors, refused requests, violations of the Content-Security-Policy. */
  readonly complaints: string[];
}

let browser: Browser;
const strict = new Set<Opened>();

beforeAll(async () => {
  if (!existsSync(INDEX)) throw new Error("the console is not built: run `npm run build`, or the tests by `npm test`");
  const folders = (process.env.PATH ?? "").split(delimiter);
  const executablePath = folders.map((folder) => join(folder, "chromium")).find(existsSync) ?? "chromium";
  browser = await chromium.launch({ executablePath });
});
afterEach(async () => {
  const opened = [...strict];
  strict.clear();
  await Promise.all(browser.contexts().map((context) => context.close()));
  for (const { complaints } of opened) expect(complaints).toEqual([]);
});
afterAll(() => browser.close());

/** Opens any page, in a profile of its own. */
export async function openPage(url: string, options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 850 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // A refused call is a normal answer, although browsers log it.
    const isRefusal = /the server responded with a status of 4\d\d/.test(message.text());
    if (message.type() === "error" && !isRefusal) complaints.push(message.text());
  });
  await page.goto(url);
  return { page, complaints };
}

/**
 * Opens the console of a server at a path like `/jobs`. The test fails when the page has complained about anything,
 * unless its server will be killed: browsers then log every connection that they do not get.
 */
export async function openConsole(
  url: string,
  path = "/",
  options: BrowserContextOptions = {},
  { isServerKilled = false } = {},
): Promise<Page> {
  const opened = await openPage(`${url}/#${path}`, options);
  if (!isServerKilled) strict.add(opened);
  // It works offline: everything it loads comes from its server.
  opened.page.on("request", (request) => {
    if (!request.url().startsWith(url)) opened.complaints.push(`asked for ${request.url()}`);
  });
  return opened.page;
}

/** Waits until the page says that it is live. */
export async function isLive(page: Page): Promise<void> {
  await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
}
