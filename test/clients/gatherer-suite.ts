import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { inject, test } from "vitest";

/** How long the tests of a language may take, ms: its tools are slow to start on a busy machine. */
const TIMEOUT_MS = 180_000;

/** The workers settle in batches: the tests of that are in their languages. Runs those of one, in its folder here. */
export function testGatherer(
  language: string,
  [file, ...args]: readonly [file: string, ...args: string[]],
  more: Readonly<Record<string, string>> = {},
): void {
  const missing = inject("missing")[language] ?? "";
  if (missing !== "") {
    test.skip(`NOT TESTED: the gatherer in ${language}: ${missing}`);
    return;
  }
  // It rejects with what the tests printed.
  test(`the gatherer in ${language} passes the tests beside it`, { timeout: TIMEOUT_MS }, async () => {
    const cwd = fileURLToPath(new URL(language.toLowerCase(), import.meta.url));
    await promisify(execFile)(file, args, { cwd, env: { ...process.env, ...more }, timeout: TIMEOUT_MS });
  });
}
