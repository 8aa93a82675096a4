import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { parseDuration } from "../../src/model/common/duration.js";
import { readConfig } from "../../src/server/config/config.js";
import { CONNECTION_TIMES } from "../../src/server/http/connection-times.js";
import { install } from "../support/install-package.js";

const UNIT = readFileSync(".ops/gotaskq.service", "utf8");

beforeAll(() => install({ command: "systemd-analyze", packageName: "systemd" }));

/** Runs systemd-analyze on the unit, with the Node of this process in place of that of the system. */
function analyze(text: string, ...args: string[]): { readonly status: number | null; readonly output: string } {
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-unit-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "gotaskq.service");
  writeFileSync(file, text.replace("/usr/bin/node", process.execPath));
  const { status, stdout, stderr } = spawnSync("systemd-analyze", [...args, file], { encoding: "utf8" });
  return { status, output: stdout + stderr };
}

describe("the systemd unit", () => {
  test("is one that systemd takes, without a remark", () => {
    expect(analyze(UNIT, "verify", "--man=no")).toEqual({ status: 0, output: "" });
    // What it takes no notice of would be a protection that is not there.
    expect(analyze(UNIT.replace("ProtectHome", "ProtectHouse"), "verify", "--man=no").output).toMatch(/ProtectHouse/);
  });

  test("leaves the server little to do harm with", () => {
    // The threshold is in tenths: 10.0 is everything that a process may do.
    expect(analyze(UNIT, "security", "--offline=yes", "--threshold=20", "--no-pager").status).toBe(0);
  });

  test("waits for jobs and answers that are under way", () => {
    const stopMs = parseDuration(/^TimeoutStopSec=(\S+)$/m.exec(UNIT)?.[1] ?? "") ?? 0;
    expect(stopMs).toBeGreaterThan(readConfig({}).shutdownTimeoutMs + CONNECTION_TIMES.closeMs);
  });
});
