import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { install as installPackage } from "../support/install-package.js";

/** The generators of the Go stubs, in the same versions as in go.mod. */
const GO_TOOLS = [
  "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.6",
  "connectrpc.com/connect/cmd/protoc-gen-connect-go@v1.18.1",
];

/** The oldest of each that the dependencies build with. */
const GO = [1, 22];
const PYTHON = [3, 9];
const JAVA = [17];
const MAVEN = [3, 6];
const CARGO = [1, 88];

/** Uses the installed version of Go and downloads no other. */
export const GO_ENVIRONMENT = { GOTOOLCHAIN: "local", GOFLAGS: "-buildvcs=false" };

/** How long a command may take: an installation on a slow network, or a first build on a busy machine. */
const TIMEOUT_MS = 900_000;

/** Thrown with a sentence that says what is missing. */
class Missing extends Error {}

/** Runs a command to its end and returns its output. Throws what it wrote as errors. */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): string {
  const { cwd, env = {} } = options;
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: "utf8",
      stdio: "pipe",
      timeout: TIMEOUT_MS,
      env: { ...process.env, ...env },
    });
  } catch (error) {
    const { stderr = "", message } = error as { stderr?: string; message: string };
    throw new Error(`${[command, ...args].join(" ")}: ${stderr.trim() || message}`);
  }
}

/** Throws a sentence when this program is not here, or is older than `least`, as in `[1, 22]`. */
export function requireVersion(command: string, args: readonly string[], least: readonly number[]): void {
  let text: string;
  try {
    text = run(command, args, { cwd: "." });
  } catch {
    throw new Missing(`${command} is not on this machine`);
  }
  const found = /(\d+)\.(\d+)/.exec(text) ?? /(\d+)/.exec(text);
  const [major = 0, minor = 0] = (found?.slice(1) ?? []).map(Number);
  const [leastMajor = 0, leastMinor = 0] = least;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  throw new Missing(`${command} ${major}.${minor} is older than ${least.join(".")}`);
}

/** Generates the stubs for Go and builds its program, in the repository at `root`. Throws what is missing. */
export function prepareGo(root: string): void {
  requireVersion("go", ["version"], GO);
  const cwd = `${root}test/clients/go`;
  const env = { GOBIN: `${cwd}/.tools`, ...GO_ENVIRONMENT };
  for (const tool of GO_TOOLS) {
    const [, name = ""] = /([^/]+)@/.exec(tool) ?? [];
    if (!existsSync(`${cwd}/.tools/${name}`)) run("go", ["install", tool], { cwd: `${root}test/clients`, env });
  }
  generate(root, "go");
  run("go", ["vet", "./..."], { cwd, env });
  run("go", ["build", "-o", "bin/gotaskq", "."], { cwd, env });
}

/** The same for Python. */
export function preparePython(root: string): void {
  requireVersion("python3", ["--version"], PYTHON);
  const cwd = `${root}test/clients/python`;
  const python = `${cwd}/.venv/bin/python`;
  if (!existsSync(`${cwd}/.venv/bin/pip`)) {
    // Debian has it in a separate package.
    installPackage({ command: "python3", args: ["-c", "import ensurepip"], packageName: "python3-venv" });
    run("python3", ["-m", "venv", ".venv"], { cwd });
  }
  run(python, ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", "requirements.txt"], { cwd });
  generate(root, "python");
  run(python, ["-m", "compileall", "-q", "main.py", "worker.py", "gatherer.py", "gen"], { cwd });
}

/** The same for Java. */
export function prepareJava(root: string): void {
  requireVersion("javac", ["-version"], JAVA);
  requireVersion("mvn", ["-version"], MAVEN);
  run("mvn", ["-B", "-q", "test-compile"], { cwd: `${root}test/clients/java` });
}

/** The same for Rust. */
export function prepareRust(root: string): void {
  requireVersion("cargo", ["--version"], CARGO);
  const cwd = `${root}test/clients/rust`;
  run("cargo", ["build", "-q"], { cwd });
  run("cargo", ["test", "-q", "--no-run"], { cwd });
}

function generate(root: string, language: string): void {
  // Nothing of what others define: its stubs are a package of each language.
  const given = ["proto", "--path", "proto/gotaskq", "--template", `test/clients/${language}/buf.gen.yaml`];
  run("npx", ["buf", "generate", ...given], { cwd: root });
}
