import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../support/free-port.js";
import { readReadme } from "../support/readme.js";
import { runShellSteps, shellSteps } from "../support/shell-steps.js";

const MAIN = fileURLToPath(new URL("../../.build/src/cli/main.js", import.meta.url));

test("the README has a tour that answers what it says", async () => {
  if (!existsSync(MAIN)) throw new Error("the command is not built: run `npm run build`, or the tests by npm");
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-tour-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "bin"));
  const command = `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`;
  writeFileSync(join(folder, "bin/gotaskq"), command, { mode: 0o755 });
  const port = String(await freePort());
  const steps = shellSteps(readReadme("src/cli/README.md"));
  expect(steps.length).toBeGreaterThanOrEqual(8);
  // What a reader has: the command on the path, and the port that is the default.
  const setting = `export PATH='${join(folder, "bin")}':"$PATH" PORT=${port} GOTASKQ_URL=http://127.0.0.1:${port}
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n`;
  const [first, ...others] = steps.map((step, index) =>
    index === 0 ? { ...step, commands: setting + step.commands } : step,
  );
  const outputs = await runShellSteps(first === undefined ? [] : [first, ...others], join(folder, "steps"), folder);
  for (const [index, { commands, part }] of steps.entries())
    expect(outputs[index], `after ${commands}`).toContain(part);
});
