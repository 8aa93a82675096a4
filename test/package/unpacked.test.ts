import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { hashToken } from "../../src/access/hash-token.js";
import { LISTENS } from "../support/listens.js";
import { within } from "../support/wait.js";
import { newFolder, pack, run } from "./support.js";

const folder = newFolder();
/** An unpacked package with production dependencies. */
const unpacked = join(folder, "package");

beforeAll(() => {
  run(folder, "tar", "xzf", pack(folder));
  // npm packs no lock file: whoever wants its versions takes it along.
  cpSync("package-lock.json", join(unpacked, "package-lock.json"));
  run(unpacked, "npm", "ci", "--omit=dev", "--prefer-offline");
}, 120_000);

/** Runs `npm start` until it listens, then ends it. Returns what it said before that, and its exit code. */
async function starts(cwd: string): Promise<{ readonly said: string; readonly code: number | null }> {
  const env = { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", PORT: "0" };
  const child = spawn("npm", ["start"], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  let said = "";
  try {
    const url = await within(
      new Promise<string>((resolve, reject) => {
        for (const stream of [child.stdout, child.stderr]) {
          stream.setEncoding("utf8").on("data", (text: string) => {
            said += text;
            const found = LISTENS.exec(said)?.[1];
            if (found !== undefined) resolve(found);
          });
        }
        child.once("exit", (code) => reject(new Error(`npm start ended with ${code}:\n${said}`)));
      }),
      "a server that listens",
      30_000,
    );
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${url}/`)).text()).toContain("<!doctype html>");
    child.kill("SIGTERM");
    const [code] = await within(exited, "the end of npm start", 20_000);
    return { said, code: code as number | null };
  } finally {
    child.kill("SIGKILL");
  }
}

describe("npm start", () => {
  test("starts an unpacked package with production dependencies only, and builds nothing", async () => {
    expect(await starts(unpacked)).toMatchObject({ code: 0 });
  });

  test("has the commands for operators there too", () => {
    const made = JSON.parse(run(unpacked, "npm", "run", "--silent", "token")) as Record<string, string>;
    expect(hashToken(made.token ?? "")).toBe(made.sha256);
    expect(run(unpacked, "npm", "run", "--silent", "redis:scripts")).toMatch(/^[0-9a-f]{40} enqueue$/m);
    expect(() => run(unpacked, "npm", "run", "--silent", "redis:show")).toThrow("give a URL of Redis, a queue");
  });

  test("starts a built tree with production dependencies only, and says when its sources are newer", async () => {
    mkdirSync(join(unpacked, "src"), { recursive: true });
    writeFileSync(join(unpacked, "src/main.ts"), "");
    const { said, code } = await starts(unpacked);
    expect(said).toContain("running what is built, which is older than the sources");
    expect(code).toBe(0);
  });

  test("says what to do where nothing is built and nothing can be", () => {
    const empty = join(folder, "empty");
    mkdirSync(join(empty, "src"), { recursive: true });
    writeFileSync(join(empty, "src/main.ts"), "");
    const { status, stderr } = spawnSync(process.execPath, [join(unpacked, ".ops/prestart.mjs")], {
      cwd: empty,
      encoding: "utf8",
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/nothing is built here: run `npm ci && npm run build`/);
  });
});
