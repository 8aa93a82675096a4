import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { inject, test } from "vitest";
import { GO_ENVIRONMENT } from "./prepare.js";

// The workers in Go and Python settle in batches: the tests of that are in their languages.

const folder = fileURLToPath(new URL("./", import.meta.url));

const SUITES: Readonly<Record<string, readonly [file: string, ...args: string[]]>> = {
  Go: ["go", "test", "-count=1", "./..."],
  Python: [`${folder}python/.venv/bin/python`, "-m", "unittest", "test_gatherer"],
};

for (const [language, [file, ...args]] of Object.entries(SUITES)) {
  const missing = inject("missing")[language] ?? "";
  if (missing !== "") {
    test.skip(`NOT TESTED: the gatherer in ${language}: ${missing}`);
    continue;
  }
  // It rejects with what the tests printed.
  test(`the gatherer in ${language} passes the tests beside it`, async () => {
    const env = { ...process.env, ...GO_ENVIRONMENT };
    await promisify(execFile)(file, args, { cwd: `${folder}${language.toLowerCase()}`, env, timeout: 60_000 });
  });
}
