import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { install as installPackage } from "../support/install-package.js";

// Runs before the tests of the clients: installs the generators of each language into a folder that git ignores,
// generates the stubs with buf, and builds the programs. A language that is not installed here is skipped, with a clear
// message; with GOTASKQ_TEST_CLIENTS=required that is an error.

declare module "vitest" {
  interface ProvidedContext {
    /** Why the tests of a language cannot run, by language; "" when they can. */
    readonly missing: Readonly<Record<string, string>>;
  }
}

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = `${root}test/clients/`;

/** The generators of the Go stubs, in the same versions as in go.mod. */
const GO_TOOLS = [
  "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.6",
  "connectrpc.com/connect/cmd/protoc-gen-connect-go@v1.18.1",
];

/** The oldest Go and Python that the dependencies build with. */
const GO = [1, 22];
const PYTHON = [3, 9];

/** Thrown with a sentence that says what is missing. */
class Missing extends Error {}

function run(command: string, args: readonly string[], options: { cwd?: string; env?: Record<string, string> } = {}) {
  const { cwd = root, env = {} } = options;
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: "pipe", env: { ...process.env, ...env } });
  } catch (error) {
    const { stderr = "", message } = error as { stderr?: string; message: string };
    throw new Error(`${[command, ...args].join(" ")}: ${stderr.trim() || message}`);
  }
}

function versionOf(command: string, args: readonly string[], least: readonly number[]): void {
  let text: string;
  try {
    text = run(command, args);
  } catch {
    throw new Missing(`${command} is not on this machine`);
  }
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(text)?.slice(1) ?? []).map(Number);
  const [leastMajor = 0, leastMinor = 0] = least;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  throw new Missing(`${command} ${major}.${minor} is older than ${least.join(".")}`);
}

function generate(language: string): void {
  run("npx", ["buf", "generate", "proto", "--template", `test/clients/${language}/buf.gen.yaml`]);
}

function prepareGo(): void {
  versionOf("go", ["version"], GO);
  const cwd = `${folder}go`;
  // Uses the installed version of Go and downloads no other.
  const env = { GOBIN: `${cwd}/.tools`, GOTOOLCHAIN: "local", GOFLAGS: "-buildvcs=false" };
  for (const tool of GO_TOOLS) {
    const [, name = ""] = /([^/]+)@/.exec(tool) ?? [];
    if (!existsSync(`${cwd}/.tools/${name}`)) run("go", ["install", tool], { cwd: folder, env });
  }
  generate("go");
  run("go", ["vet", "./..."], { cwd, env });
  run("go", ["build", "-o", "bin/gotaskq", "."], { cwd, env });
}

function preparePython(): void {
  versionOf("python3", ["--version"], PYTHON);
  const cwd = `${folder}python`;
  const python = `${cwd}/.venv/bin/python`;
  if (!existsSync(`${cwd}/.venv/bin/pip`)) {
    // Debian has it in a separate package.
    installPackage({ command: "python3", args: ["-c", "import ensurepip"], packageName: "python3-venv" });
    run("python3", ["-m", "venv", ".venv"], { cwd });
  }
  run(python, ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", "requirements.txt"], { cwd });
  generate("python");
  run(python, ["-m", "compileall", "-q", "main.py", "worker.py", "gen"], { cwd });
}

const LANGUAGES: Readonly<Record<string, () => void>> = { Go: prepareGo, Python: preparePython };

/** Prepares every language that is installed here. */
export function setup(project: TestProject): void {
  const missing: Record<string, string> = {};
  for (const [language, prepare] of Object.entries(LANGUAGES)) {
    missing[language] = "";
    try {
      prepare();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (process.env.GOTASKQ_TEST_CLIENTS === "required") throw error;
      missing[language] = text;
      process.stderr.write(`\n!!! THE CLIENTS IN ${language.toUpperCase()} ARE NOT TESTED: ${text}\n\n`);
    }
  }
  project.provide("missing", missing);
}
