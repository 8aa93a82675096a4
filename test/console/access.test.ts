import { describe, expect, test } from "vitest";
import { hashToken } from "../../src/access/hash-token.js";
import { startTestServer } from "../support/server.js";
import { isLive, openConsole } from "./support/browser.js";

const READ = "token-that-reads-012345";
const ADMIN = "token-of-an-admin-012345";
const AUTH_TOKENS = [
  `name=looker sha256=${hashToken(READ)} scopes=read queues=default,mail`,
  `name=boss token=${ADMIN} scopes=admin`,
].join(";");

describe("the console of a server with tokens", () => {
  test("asks for one, hides what it cannot do, and lets go of it", async () => {
    const server = await startTestServer({ AUTH_TOKENS, QUEUES: "mail,other", NUM_WORKERS: "0" });
    const page = await openConsole(server.url, "/queues");
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    const wanted = page.getByRole("dialog", { name: "The server asks for a token" });
    await wanted.getByLabel("Token").fill("no token at all");
    await wanted.getByRole("button", { name: "Use this token" }).click();
    await wanted.getByText("A token has no spaces").waitFor();
    await wanted.getByLabel("Token").fill(READ);
    await wanted.getByRole("button", { name: "Use this token" }).click();
    await isLive(page);
    await page.getByRole("row", { name: /mail/ }).waitFor();
    expect(await page.getByRole("row", { name: /other/ }).count()).toBe(0);
    await page.getByRole("button", { name: "Your token" }).filter({ hasText: "looker" }).waitFor();
    expect(await page.getByRole("button", { name: /New queue|Pause|Purge|Settings|Delete/ }).count()).toBe(0);
    await page.goto(`${server.url}/#/jobs`);
    await page.getByText("No job").or(page.getByText("There are no jobs")).first().waitFor();
    expect(await page.getByRole("link", { name: /New job|Create a job/ }).count()).toBe(0);

    await page.getByRole("button", { name: "Your token" }).click();
    const own = page.getByRole("dialog", { name: "Your token" });
    await own.getByText("may read in default, mail").waitFor();
    await own.getByLabel("Another token").fill(ADMIN);
    await own.getByRole("button", { name: "Use this token" }).click();
    await page.getByRole("button", { name: "Your token" }).filter({ hasText: "boss" }).waitFor();
    await page.getByRole("link", { name: "New job" }).waitFor();
    await page.goto(`${server.url}/#/queues`);
    await page.getByRole("button", { name: "Pause other" }).waitFor();

    await page.getByRole("button", { name: "Your token" }).click();
    await own.getByText("may admin in every queue").waitFor();
    await own.getByRole("button", { name: "Sign out" }).click();
    await wanted.waitFor();
    expect(await page.getByRole("row", { name: /mail/ }).count()).toBe(0);
    expect(await page.evaluate("JSON.stringify([sessionStorage.length, localStorage.length, document.cookie])")).toBe(
      '[0,0,""]',
    );
    expect(asked.filter((url) => url.includes(READ) || url.includes(ADMIN))).toEqual([]);
  });
});
