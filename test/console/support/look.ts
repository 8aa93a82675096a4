import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { created, finished, payload } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../../support/server.js";
import { isLive, openConsole } from "./browser.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** A path in this repository. */
export const at = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** Where pictures of the pages are put, for people to look at. */
const PICTURES = at(".screenshots");

let server: TestServer;
let dead: string;
let untaken: string;
let started: Promise<void> | undefined;

/** The address of a server on which a bit of everything has happened. It is there in tests of a file that calls `describeLook`. */
export const consoleUrl = (): string => server.url;

async function start(): Promise<void> {
  mkdirSync(PICTURES, { recursive: true });
  server = await startTestServer({ BASE_DELAY: "1", MAX_DELAY: "1" });
  for (const name of ["mail", "reports", "webhooks"]) await newQueue(server, name);
  const failing = (queue: string, message: string, maxRetries = 0) => ({
    ...{ queue, type: "fail", maxRetries, payloadKind: payload({ message }) },
    metadata: { team: "search" },
  });
  for (let count = 0; count < 4; count++) {
    await finished(server, await created(server, failing("mail", "SMTP 550: mailbox unavailable")));
  }
  await finished(server, await created(server, failing("webhooks", "connect ECONNREFUSED 10.0.0.7:443")));
  dead = await created(server, failing("webhooks", "the endpoint answered 503", 3));
  await finished(server, dead);
  untaken = await created(server, { queue: "webhooks", type: "resize-image" });
  await server.queues.pauseQueue({ name: "reports" });
  const requests = [
    ...Array.from({ length: 30 }, () => ({ queue: "reports", type: "echo" })),
    ...Array.from({ length: 12 }, (_, at) => ({
      queue: "mail",
      type: "echo",
      payloadKind: payload({ to: `user${at}` }),
    })),
    { queue: "webhooks", type: "sleep", payloadKind: payload({ ms: 600_000 }) },
    { queue: "mail", type: "echo", schedule: { case: "delay", value: { seconds: 3600n } } } as const,
  ];
  await server.jobs.batchCreateJobs({ requests });
  const spec = { case: "cron", value: "0 6 * * MON-FRI" } as const;
  const schedule = { queue: "reports", name: "daily-report", spec, timeZone: "Europe/Berlin", job: { type: "echo" } };
  await server.schedules.createSchedule({ schedule });
  await server.schedules.triggerSchedule({ queue: "reports", name: "daily-report" });
}

/** The pages, each with what it shows when it is ready. */
const PAGES = [
  ["overview", () => "/", "takes type resize-image"],
  ["jobs", () => "/jobs", "SMTP 550: mailbox unavailable"],
  ["job", () => `/jobs/${dead}`, "Failed attempts"],
  ["waiting-job", () => `/jobs/${untaken}`, "takes type resize-image"],
  ["new-job", () => "/jobs/new", "Payload (JSON)"],
  ["dead-letters", () => "/dlq", "4 dead jobs: fail in mail"],
  ["queues", () => "/queues", "takes type resize-image"],
  ["schedules", () => "/schedules", "0 6 * * MON-FRI, Europe/Berlin"],
  ["workers", () => "/workers", "built in"],
  ["nothing", () => "/no-such-page", "There is no such page."],
] as const;

interface Fault {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** A page of the console. */
export type PageName = (typeof PAGES)[number][0];

/** Looks at pages of the console in one colour scheme; all pages by default. */
export function describeLook(colorScheme: "light" | "dark", isWanted = (_name: PageName) => true): void {
  beforeAll(() => {
    started ??= start();
    return started;
  });
  describe(`in ${colorScheme}`, () => {
    test.each(PAGES.filter(([name]) => isWanted(name)))(
      "the page %s has no serious fault of accessibility, and fits a narrow screen",
      async (name, path, text) => {
        const page = await openConsole(server.url, path(), { colorScheme });
        await page.getByText(text).or(page.getByLabel(text)).first().waitFor();
        if (name === "overview") await isLive(page);
        await page.screenshot({ path: `${PICTURES}/${name}-${colorScheme}.png` });
        // Run by the debugger, which no Content-Security-Policy stops.
        await page.evaluate(AXE);
        const faults = (await page.evaluate("axe.run().then(({ violations }) => violations)")) as readonly Fault[];
        const told = faults
          .filter(({ impact }) => impact === "serious" || impact === "critical")
          .map(
            ({ id, nodes }) =>
              `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`,
          );
        expect(told).toEqual([]);

        await page.setViewportSize({ width: 360, height: 740 });
        await page.screenshot({ path: `${PICTURES}/${name}-${colorScheme}-narrow.png`, fullPage: true });
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
      },
    );
  });
}
