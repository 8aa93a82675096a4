import { execFile } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const PROTO = "proto/gotaskq/v1/worker_service.proto";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gotaskq-breaking-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function git(cwd: string, ...args: string[]): Promise<void> {
  await run("git", ["-c", "user.name=test", "-c", "user.email=test@localhost", ...args], { cwd });
}

/** Creates a repository with the current protos, in one commit on main. */
async function repository(name: string): Promise<string> {
  const path = join(folder, name);
  await run("git", ["init", "-q", "-b", "main", path]);
  await run("cp", ["-r", `${root}proto`, `${root}buf.yaml`, `${root}.ci`, path]);
  symlinkSync(`${root}node_modules`, join(path, "node_modules"));
  writeFileSync(join(path, ".gitignore"), "node_modules\n");
  await commit(path, "protos");
  return path;
}

async function commit(path: string, title: string): Promise<void> {
  await git(path, "add", "-A");
  await git(path, "commit", "-q", "--allow-empty", "-m", title);
}

/** Runs the check. Returns its exit code and everything it printed. */
async function breaking(path: string): Promise<{ code: number; output: string }> {
  return run(".ci/breaking", [], { cwd: path }).then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    ({ code, stdout, stderr }) => ({ code, output: stdout + stderr }),
  );
}

/** Renumbers a field, so that no earlier client understands it. */
function breakProto(path: string): void {
  const file = join(path, PROTO);
  const text = readFileSync(file, "utf8").replace("int32 max_in_flight = 4;", "int32 max_in_flight = 14;");
  writeFileSync(file, text);
}

describe("the check for breaking changes of the protos", () => {
  test("says plainly that there is nothing to compare with, on a first commit and in a shallow clone", async () => {
    const first = await repository("first");
    expect(await breaking(first)).toMatchObject({
      code: 0,
      output: expect.stringContaining("nothing to compare with"),
    });
    await commit(first, "second");
    const shallow = join(folder, "shallow");
    await run("git", ["clone", "-q", "--depth", "1", `file://${first}`, shallow]);
    symlinkSync(`${root}node_modules`, join(shallow, "node_modules"));
    expect(await breaking(shallow)).toMatchObject({
      code: 0,
      output: expect.stringContaining("nothing to compare with"),
    });
    // What is not committed is compared even there.
    breakProto(shallow);
    expect(await breaking(shallow)).toMatchObject({ code: 100 });
  });

  test("compares with the commit before on main, and with main on a branch", async () => {
    const path = await repository("main");
    appendFileSync(join(path, PROTO), "\n// More.\nmessage More {}\n");
    await commit(path, "an addition");
    expect(await breaking(path)).toMatchObject({ code: 0, output: expect.stringContaining("no change since") });
    await git(path, "checkout", "-q", "-b", "work");
    breakProto(path);
    await commit(path, "a break");
    await commit(path, "something else");
    expect(await breaking(path)).toMatchObject({ code: 100, output: expect.stringContaining("max_in_flight") });
  });

  test("compares with the last tag, also in the commit that is tagged next", async () => {
    const path = await repository("tagged");
    await git(path, "tag", "v1");
    breakProto(path);
    await commit(path, "a break");
    await commit(path, "something else");
    expect(await breaking(path)).toMatchObject({ code: 100, output: expect.stringContaining("max_in_flight") });
    await git(path, "tag", "v2");
    expect(await breaking(path)).toMatchObject({ code: 100, output: expect.stringContaining("max_in_flight") });
    await commit(path, "after the release");
    expect(await breaking(path)).toMatchObject({ code: 0, output: expect.stringContaining("no change since v2") });
  });

  test("is a part of what CI runs", () => {
    expect(readFileSync(`${root}.ci/run`, "utf8")).toContain("npm run breaking");
    expect(readFileSync(`${root}package.json`, "utf8")).toMatch(/"check": "[^"]*npm run breaking/);
  });
});
