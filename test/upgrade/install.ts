import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

// Runs before the upgrade tests: builds the commit that .ci/upgrade-from names, in a folder that git ignores. It is the oldest
// one whose servers may share a Redis with those of today, and moves only when the layout in Redis changes.

declare module "vitest" {
  interface ProvidedContext {
    /** The built program of that commit; "" when this clone does not have the commit. */
    readonly oldMain: string;
  }
}

const root = fileURLToPath(new URL("../../", import.meta.url));

export function setup(project: TestProject): void {
  project.provide("oldMain", build(readFileSync(join(root, ".ci/upgrade-from"), "utf8").trim()));
}

function build(commit: string): string {
  const folder = join(root, ".upgrade", commit);
  const main = join(folder, ".build/src/main.js");
  if (existsSync(main)) return main;
  const run = (command: string, args: readonly string[], cwd = root) =>
    execFileSync(command, args, { cwd, stdio: "pipe", encoding: "utf8", maxBuffer: 2 ** 28 });
  try {
    run("git", ["cat-file", "-e", commit]);
  } catch {
    process.stderr.write(`the upgrade tests are left out: this clone does not have the commit ${commit}\n`);
    return "";
  }
  mkdirSync(folder, { recursive: true });
  run("sh", ["-c", `git archive ${commit} | tar -x -C "${folder}"`]);
  const isSame =
    readFileSync(join(folder, "package-lock.json"), "utf8") === readFileSync(join(root, "package-lock.json"), "utf8");
  if (isSame) symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "dir");
  else run("npm", ["ci"], folder);
  run("npm", ["run", "build"], folder);
  return main;
}
