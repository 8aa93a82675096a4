import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { connectSharedStore } from "../../../src/backends/shared/shared-backend.js";
import { createSharedStore } from "../../../src/backends/shared/shared-store.js";
import type { Backend } from "../../../src/core/backend.js";
import { type Clock, createSystemClock } from "../../../src/core/clock.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { createIdGenerator } from "../../../src/model/queue/ids.js";
import { Recorder } from "../contract/harness.js";

/** Hears what a listener is told, and whether the store is there. */
export class Heard extends Recorder {
  availableHeard: boolean[] = [];
  interruptionsHeard = 0;
  emptiedHeard = 0;
  /** Queues of whose figures it was told that they changed. */
  countsHeard: string[] = [];

  counts(queue: string): void {
    this.countsHeard.push(queue);
  }

  override available(isAvailable: boolean): void {
    this.availableHeard.push(isAvailable);
  }

  override interrupted(): void {
    this.interruptionsHeard++;
  }

  override emptied(): void {
    this.emptiedHeard++;
  }
}

/** A path for the socket of a store, which is removed at the end of the test. */
export function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "store");
}

/** Starts a store at a path; default: one in memory. It is stopped at the end of the test. */
export async function openStore(path: string, clock: Clock = createSystemClock(), backend?: Backend) {
  const kept = backend ?? createMemoryBackend({ clock, random: Math.random });
  const store = createSharedStore(
    { backend: kept, ids: createIdGenerator(clock, 0), clock, logger: silentLogger },
    { path },
  );
  await store.start();
  onTestFinished(() => store.stop());
  return store;
}

/** Connects a server to the store at a path. It is stopped at the end of the test. */
export async function connect(path: string, clock: Clock = createSystemClock()) {
  const backend = connectSharedStore({ clock, logger: silentLogger }, { path });
  const heard = new Heard();
  onTestFinished(() => backend.stop());
  await backend.start(heard);
  return { backend, heard };
}
