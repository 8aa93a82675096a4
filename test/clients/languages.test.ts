import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, inject, test } from "vitest";
import { atEnd, startServerAlone } from "../client/support.js";
import { install } from "../support/install-package.js";
import { runShellSteps, shellSteps } from "../support/shell-steps.js";

// Each recipe of proto/LANGUAGES.md, as somebody follows it who is new to it: in an empty folder, with what it says.

/** How long a recipe may take, ms: it brings and builds all that a language needs. */
const TIMEOUT_MS = 900_000;

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(`${root}proto/LANGUAGES.md`, "utf8");
const missing = inject("missing");

/** Ends what a recipe leaves running in the background, with all that this has started. */
const AT_END = "set -m\ntrap 'for job in $(jobs -p); do kill -- -$job; done' EXIT\n";

/** Commands that write a file whose path its first line tells, as in `// worker/main.go`. */
function writing(code: string): string {
  const [, path = ""] = /^(?:\/\/|#|<!--) (\S+)/.exec(code) ?? [];
  return `mkdir -p "$(dirname '${path}')"\ncat > '${path}' <<'END OF FILE'\n${code}END OF FILE\n`;
}

/** The commands of a recipe: its own, and those that write its files, in their order. */
function recipe(title: string): string {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? "";
  const blocks = [...section.matchAll(/^```(\w+)\n(.*?)^```/gms)];
  return blocks.map(([, language, code = ""]) => (language === "sh" ? code : writing(code))).join("");
}

/** Why there is no `protoc`; "" when there is one. */
function missingProtoc(): string {
  try {
    install({ command: "protoc", packageName: "protobuf-compiler" });
    // Debian has the protos of google.protobuf there; elsewhere they come with protoc.
    if (existsSync("/usr/bin/protoc")) {
      const protos = "/usr/include/google/protobuf/struct.proto";
      install({ command: "test", args: ["-e", protos], packageName: "libprotobuf-dev" });
    }
    return "";
  } catch (error) {
    if (process.env.GOTASKQ_TEST_CLIENTS === "required") throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

const protoc = missingProtoc();

describe.each([
  { title: "Go", why: missing.Go || protoc },
  { title: "Python", why: missing.Python },
  { title: "Java", why: missing.Java },
  { title: "Rust", why: missing.Rust },
  { title: "C#, PHP, Ruby, Objective-C", why: protoc },
])("the recipe for $title", ({ title, why = "" }) => {
  if (why !== "") {
    test.skip(`NOT TESTED: ${why}`);
    return;
  }

  test("works in an empty folder as it stands", { timeout: TIMEOUT_MS }, async () => {
    const server = await startServerAlone({ NUM_WORKERS: "0" });
    atEnd(() => server.end("SIGKILL"));
    const folder = mkdtempSync(join(tmpdir(), "gotaskq-recipe-"));
    atEnd(() => rmSync(folder, { recursive: true, force: true }));
    const own = `export GOTASKQ='${root}' GOTOOLCHAIN=local CARGO_TARGET_DIR='${root}test/clients/rust/target/recipe'\n`;
    const code = recipe(title).replaceAll("127.0.0.1:8000", new URL(server.url).host);
    const steps = shellSteps(`\`\`\`sh\n${AT_END}${own}${code}\`\`\``);
    expect(steps).toHaveLength(1);
    const outputs = await runShellSteps(steps, `${folder}/steps`, folder);
    for (const [index, { part }] of steps.entries()) expect(outputs[index]).toContain(part);
  });
});
