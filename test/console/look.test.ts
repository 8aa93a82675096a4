import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { openConsole } from "./support/browser.js";
import { at, consoleUrl, describeLook } from "./support/look.js";

/** Most that the console may weigh on the wire, in bytes of gzip. */
const MAX_BYTES = 150_000;

describeLook("light");
// The other pages too in look-dark.test.ts, which `npm test` leaves out.
describeLook("dark", (name) => name === "overview");

describe("what can be done to a queue", () => {
  test.each([360, 480, 1000, 1280])("stays on one line of its row at %i px, and within the page", async (width) => {
    const page = await openConsole(consoleUrl(), "/queues", { viewport: { width, height: 850 } });
    await page.getByText("takes type resize-image").waitFor();
    for (const name of ["mail", "reports", "webhooks"]) {
      const buttons = await page.getByRole("row", { name }).getByRole("button").all();
      const boxes = await Promise.all(buttons.map((button) => button.boundingBox()));
      expect(boxes.length).toBe(4);
      expect(new Set(boxes.map((box) => box?.y)).size).toBe(1);
      expect(Math.max(...boxes.map((box) => (box?.x ?? 0) + (box?.width ?? 0)))).toBeLessThan(width);
    }
  });
});

describe("by keyboard alone", () => {
  test("a job is found, and a dialog opened and left", async () => {
    const page = await openConsole(consoleUrl(), "/queues");
    await page.getByRole("button", { name: "Purge mail" }).focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Purge queue mail?" });
    await dialog.waitFor();
    expect(await page.evaluate("document.querySelector('dialog').contains(document.activeElement)")).toBe(true);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await page.getByRole("link", { name: "Jobs", exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Jobs" }).waitFor();
    await page.locator("h1:focus").waitFor();
  });
});

describe("the built console", () => {
  test("weighs less than 150 KB of gzip", () => {
    const folder = at(".build/console");
    const files = ["index.html", ...readdirSync(`${folder}/assets`).map((name) => `assets/${name}`)];
    const contents = files.map((name) => readFileSync(`${folder}/${name}`));
    expect(contents.reduce((sum, content) => sum + gzipSync(content, { level: 9 }).length, 0)).toBeLessThan(MAX_BYTES);
    expect(files.length).toBeGreaterThanOrEqual(3);
  });
});
