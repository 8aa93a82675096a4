import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type WatchedFiles, watchFiles } from "../../../src/server/config/watched-files.js";
import { FakeClock } from "../../support/fake-clock.js";
import { eventually } from "../../support/wait.js";

let folder: string;
let clock: FakeClock;
let watched: WatchedFiles | undefined;
/** What was told: contents, and errors as text. */
let told: (string | readonly string[])[];

const at = (name: string) => join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gotaskq-watched-"));
  clock = new FakeClock();
  told = [];
  await Promise.all([writeFile(at("a"), "a1"), writeFile(at("b"), "b1")]);
});
afterEach(async () => {
  watched?.stop();
  await rm(folder, { recursive: true });
});

async function watch(names: readonly string[], changed?: () => void): Promise<void> {
  const paths = names.map(at);
  const known = await Promise.all(paths.map((path) => readFile(path)));
  watched = watchFiles(paths, known, clock, {
    changed(contents) {
      changed?.();
      told.push(contents.map(String));
    },
    failed: (error) => void told.push(String(error)),
  });
}

/** Lets the next look happen, and end. */
async function look(ms = 5000): Promise<void> {
  await clock.advance(ms);
  await eventually(async () => clock.timers > 0 || undefined, "the end of a look");
}

test("files that stay the same are not told", async () => {
  await watch(["a", "b"]);
  await writeFile(at("a"), "a1");
  for (let looks = 0; looks < 3; looks++) await look();
  expect(told).toEqual([]);
});

test("a file that was renamed into place is told once, with the others", async () => {
  await watch(["a", "b"]);
  await writeFile(at("new"), "a2");
  await rename(at("new"), at("a"));
  await look();
  expect(told).toEqual([]);
  await look(250);
  await look();
  expect(told).toEqual([["a2", "b1"]]);
});

test("files that change one after the other are told together, when they are as they stay", async () => {
  await watch(["a", "b"]);
  await writeFile(at("a"), "a2");
  await look();
  await writeFile(at("b"), "b2");
  await look(250);
  await look(250);
  await look();
  expect(told).toEqual([["a2", "b2"]]);
});

test("a folder behind a link that comes to point elsewhere is noticed", async () => {
  await mkdir(at("one"));
  await mkdir(at("two"));
  await Promise.all([writeFile(at("one/tls"), "t1"), writeFile(at("two/tls"), "t2")]);
  await symlink("one", at("data"));
  await watch(["data/tls"]);
  await symlink("two", at("next"));
  await rename(at("next"), at("data"));
  await look();
  await look(250);
  expect(told).toEqual([["t2"]]);
});

test("a file that is gone for longer than a moment is told once, and its return if it has changed", async () => {
  await watch(["a", "b"]);
  await rm(at("a"));
  await look();
  await writeFile(at("a"), "a1");
  await look(250);
  await look();
  expect(told).toEqual([]);
  await rm(at("a"));
  await look();
  await look(250);
  await look();
  expect(told).toEqual([expect.stringMatching(/ENOENT.*a/)]);
  await writeFile(at("a"), "a2");
  await look();
  await look(250);
  expect(told).toEqual([expect.anything(), ["a2", "b1"]]);
});

test("contents that cannot be used are told as a failure, once", async () => {
  await watch(["a"], () => {
    throw new Error("broken");
  });
  await writeFile(at("a"), "a2");
  await look();
  await look(250);
  await look();
  await look();
  expect(told).toEqual(["Error: broken"]);
});

test("nothing is told after the end", async () => {
  await watch(["a"]);
  watched?.stop();
  await writeFile(at("a"), "a2");
  await clock.advance(60_000);
  expect(told).toEqual([]);
  expect(clock.timers).toBe(0);
});
