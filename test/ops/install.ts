import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

// Runs before the tests of .ops: finds promtool, or takes it out of Debian's package `prometheus`, which is not installed and
// so starts nothing, into a folder that git ignores. Where neither can be, the tests that need it are skipped, and the output says
// so; with GOTASKQ_TEST_PROMTOOL=required that is an error.

declare module "vitest" {
  interface ProvidedContext {
    /** The path of promtool; "" when there is none. */
    readonly promtool: string;
  }
}

const TOOLS = fileURLToPath(new URL(".tools/", import.meta.url));
const OWN = join(TOOLS, "promtool");

function runs(command: string): boolean {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Takes promtool out of the package. */
function unpack(): void {
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-promtool-"));
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { cwd: folder, stdio: "pipe" });
  try {
    // The index may be older than what the archive has.
    if (process.getuid?.() === 0) run("apt-get", "update", "-q");
    run("apt-get", "download", "-q", "prometheus");
    const [file] = readdirSync(folder).filter((name) => name.endsWith(".deb"));
    if (file === undefined) throw new Error("the download brought no package");
    run("dpkg-deb", "-x", file, "content");
    mkdirSync(TOOLS, { recursive: true });
    copyFileSync(join(folder, "content/usr/bin/promtool"), OWN);
    chmodSync(OWN, 0o755);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function setup({ provide }: TestProject): void {
  let found = ["promtool", OWN].find((path) => (path === "promtool" || existsSync(path)) && runs(path));
  if (found === undefined) {
    try {
      unpack();
      found = OWN;
    } catch (error) {
      const message = `promtool is not on this machine, and could not be taken from Debian's package prometheus: ${String(error).split("\n")[0]}`;
      if (process.env.GOTASKQ_TEST_PROMTOOL === "required") throw new Error(message);
      process.stderr.write(`\n*** SKIPPED: rules and metrics are not checked by promtool. ${message}\n\n`);
    }
  }
  provide("promtool", found ?? "");
}
