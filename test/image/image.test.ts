import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAuthority } from "../support/certificates.js";
import { freePort } from "../support/free-port.js";
import { eventually, within } from "../support/wait.js";
import { follow, type Image } from "./recipe.js";

// There is no builder of images here: the recipe is followed step by step in a folder, on the Node of this machine.

let folder: string;
let image: Image;
const running = new Set<ChildProcess>();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gotaskq-image-"));
  image = follow(readFileSync(".ops/Containerfile", "utf8"), ".", folder);
}, 280_000);
afterAll(() => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a command of the image, as a container would. */
function environment(env: Readonly<Record<string, string>>) {
  return { cwd: join(image.root, image.workdir), env: { PATH: process.env.PATH ?? "", ...image.env, ...env } };
}

/** Runs the server and its check, and returns the code that it ends with after SIGTERM. */
async function serves(more: Readonly<Record<string, string>>): Promise<number | null> {
  const env = { PORT: String(await freePort()), ...more };
  const [command = "", ...args] = image.command;
  const child = spawn(command, args, { ...environment(env), stdio: "ignore" });
  running.add(child);
  const exited = once(child, "exit");
  const [check = "", ...checkArgs] = image.healthcheck;
  const isHealthy = async () => spawnSync(check, checkArgs, environment(env)).status === 0 || undefined;
  await eventually(isHealthy, "a healthy server", 20_000);
  child.kill("SIGTERM");
  const [code] = await within(exited, "the end of the server", 20_000);
  running.delete(child);
  expect(spawnSync(check, checkArgs, environment(env)).status).toBe(1);
  return code as number | null;
}

describe("an image by the recipe", () => {
  test("has what the server needs and neither sources nor what builds them, and is not run by root", () => {
    const app = join(image.root, image.workdir);
    expect(readdirSync(app).toSorted()).toEqual([".build", ".ops", "node_modules", "package.json"]);
    for (const name of ["typescript", "vite", "vitest"])
      expect(existsSync(join(app, "node_modules", name))).toBe(false);
    expect(image.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  test("does not serve everybody unless it is told to", () => {
    const [command = "", ...args] = image.command;
    const { status, stderr, stdout } = spawnSync(command, args, { ...environment({ PORT: "0" }), encoding: "utf8" });
    expect(status).toBe(2);
    expect(stderr + stdout).toMatch(/HOST.*AUTH_TOKENS/);
  });

  test("serves, says when it is ready, and ends in order", async () => {
    expect(await serves({ AUTH: "none" })).toBe(0);
  });

  test("keeps jobs in a file", async () => {
    expect(await serves({ AUTH: "none", DATA_DIR: join(folder, "data") })).toBe(0);
    expect(readdirSync(join(folder, "data"))).toContain("gotaskq.db");
  });

  test.each([
    ["TLS", undefined],
    ["TLS that asks for certificates of clients", "optional"],
    ["TLS that requires certificates of clients", "required"],
  ])("serves %s", async (_what, auth) => {
    const authority = createAuthority();
    const { cert, key } = authority.issue("server");
    const clients: Record<string, string> =
      auth === undefined ? {} : { TLS_CLIENT_CA: authority.ca, TLS_CLIENT_AUTH: auth };
    expect(await serves({ AUTH: "none", TLS_CERT: cert, TLS_KEY: key, ...clients })).toBe(0);
  });
});
