import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { ROOT } from "../support/readme.js";

/** Runs a command. Returns what it printed; throws with it when the command fails. */
export function run(cwd: string, command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
  return stdout + stderr;
}

/** Makes a folder outside of the project that is removed after the tests of the file. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-package-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Packs what is built. Returns the path of the tarball. */
export function pack(folder: string): string {
  const printed = run(ROOT, "npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder);
  return join(folder, printed.trim().split("\n").at(-1) ?? "");
}

/** Makes an empty project that has installed the tarball. `args` are those of `npm install`. */
export function install(folder: string, tarball: string, ...args: string[]): void {
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  run(folder, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", ...args, tarball);
}
