import { execFile } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { startRedis } from "../support/redis.js";
import { install, newFolder, pack, run } from "./support.js";

/** The newest of each line that the package is for, beside the one that runs the tests. */
const VERSIONS = ["22.23.3", "24.21.0", "26.12.1"];

// Versions are kept from run to run.
const cache = join(homedir(), ".cache/gotaskq-nodes");
const folder = newFolder();

beforeAll(() => {
  install(folder, pack(folder));
  copyFileSync("test/package/tour.mjs", join(folder, "tour.mjs"));
}, 180_000);

/** Brings a version of Node by npm. Returns its program, or undefined where there is none for this machine. */
function bring(version: string): string | undefined {
  const place = join(cache, version);
  const program = join(place, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  if (existsSync(program)) return program;
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, "package.json"), "{}");
  try {
    run(place, "npm", "install", "--no-audit", "--no-fund", `node-${process.platform}-${process.arch}@${version}`);
  } catch {
    return undefined;
  }
  return program;
}

for (const version of ["", ...VERSIONS]) {
  const node = version === "" ? process.execPath : bring(version);
  if (node === undefined) {
    test.skip(`NOT TESTED: Node ${version}: npm did not bring it`);
    continue;
  }
  test(`the package runs with Node ${version || process.versions.node}`, async () => {
    const redis = await startRedis();
    const place = newestFolder();
    const { stdout, stderr } = await promisify(execFile)(node, [join(folder, "tour.mjs")], {
      cwd: place,
      env: { PATH: process.env.PATH ?? "", REDIS_URL: redis.url },
      timeout: 60_000,
    });
    const ended = ["memory", "file", "redis", "threads", "processes"].map((name) => `${name} DONE`);
    expect(stdout.trim().split("\n")).toEqual([...ended, "remote 42", "end"]);
    expect(stderr).not.toMatch(/deprecat/i);
  });
}

/** A folder of its own for what the program writes. */
function newestFolder(): string {
  const place = join(folder, `run-${Math.random().toString(36).slice(2)}`);
  mkdirSync(place);
  return place;
}
