import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { DESCRIPTORS, RUNNER, TOOLS } from "./files.js";

// Runs before the conformance tests: brings Connect's conformance suite, a program in Go, into a folder that git ignores,
// and makes descriptors of the protos that come with it. Where there is no Go of its version the tests are left out, and
// that is said loudly; with GOTASKQ_TEST_CONFORMANCE=required it is an error.

declare module "vitest" {
  interface ProvidedContext {
    /** Why the suite cannot run; "" when it can. */
    readonly conformanceMissing: string;
  }
}

/** The version counts: the tests tell how many cases it has. */
const MODULE = "connectrpc.com/conformance";
const VERSION = "v1.0.7";

/** The oldest Go that the suite builds with. */
const GO = [1, 26] as const;

const root = fileURLToPath(new URL("../../", import.meta.url));

function run(command: string, args: readonly string[], env: Record<string, string> = {}): string {
  try {
    const options = { cwd: root, encoding: "utf8", stdio: "pipe", env: { ...process.env, ...env } } as const;
    return execFileSync(command, args, options);
  } catch (error) {
    const { stderr = "", message } = error as { stderr?: string; message: string };
    throw new Error(`${[command, ...args].join(" ")}: ${stderr.trim() || message}`);
  }
}

/** What is wrong with the Go of this machine; "" when it will do. */
function missingGo(): string {
  let text: string;
  try {
    text = run("go", ["version"], { GOTOOLCHAIN: "local" });
  } catch {
    return "go is not on this machine";
  }
  const [major = 0, minor = 0] = (/go(\d+)\.(\d+)/.exec(text)?.slice(1) ?? []).map(Number);
  const isNew = major > GO[0] || (major === GO[0] && minor >= GO[1]);
  return isNew ? "" : `go ${major}.${minor} is older than ${GO.join(".")}`;
}

function prepare(): void {
  // Its own version will do: none is fetched.
  const env = { GOBIN: TOOLS, GOTOOLCHAIN: "local", GOFLAGS: "-buildvcs=false" };
  const isInstalled = existsSync(RUNNER) && run(RUNNER, ["--version"]).includes(VERSION);
  if (isInstalled && existsSync(DESCRIPTORS)) return;
  mkdirSync(TOOLS, { recursive: true });
  if (!isInstalled) run("go", ["install", `${MODULE}/cmd/connectconformance@${VERSION}`], env);
  const { Dir } = JSON.parse(run("go", ["mod", "download", "-json", `${MODULE}@${VERSION}`], env)) as { Dir: string };
  run("npx", ["buf", "build", `${Dir}/proto`, "--output", DESCRIPTORS]);
}

/** Prepares the suite, if it can run here. */
export function setup(project: TestProject): void {
  const missing = missingGo();
  if (missing === "") prepare();
  else if (process.env.GOTASKQ_TEST_CONFORMANCE === "required") throw new Error(missing);
  else process.stderr.write(`\n!!! CONNECT'S CONFORMANCE SUITE IS NOT RUN: ${missing}\n\n`);
  project.provide("conformanceMissing", missing);
}
