import { describe, expect, test } from "vitest";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { FakeClock } from "../../support/fake-clock.js";
import { newJob } from "../../support/job.js";
import { memoryHarness } from "./memory-harness.js";
import { backendContract } from "./suite.js";
import { expectRefused } from "./support.js";

backendContract("memory", memoryHarness);

describe("the cursors of the memory backend", () => {
  test("of an earlier process are too old", async () => {
    const before = createMemoryBackend({ clock: new FakeClock(), random: () => 0.1 });
    const after = createMemoryBackend({ clock: new FakeClock(), random: () => 0.2 });
    await expectRefused(after.read(await before.head(), 10, {}), "WATCH_COMPACTED");
    expect(await after.read(await after.head(), 10, {})).toMatchObject({ entries: [] });
  });

  test("of its own log that lie ahead of it are refused", async () => {
    const ahead = createMemoryBackend({ clock: new FakeClock(), random: () => 0.1 });
    const behind = createMemoryBackend({ clock: new FakeClock(), random: () => 0.1 });
    await ahead.enqueue([newJob()]);
    await expectRefused(behind.read(await ahead.head(), 10, {}), "FIELD_INVALID");
  });
});
