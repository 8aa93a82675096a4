import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectSharedStore } from "../../../src/backends/shared/shared-backend.js";
import { createSharedStore } from "../../../src/backends/shared/shared-store.js";
import { createIdGenerator } from "../../../src/model/ids.js";
import { silentLogger } from "../../../src/model/logger.js";
import { withRealTimers } from "../../support/fake-clock.js";
import { type BackendHarness, Recorder } from "./harness.js";
import { openMemory } from "./memory-harness.js";

/** A folder for the socket of a store. */
export function createSocketFolder(): { readonly path: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-"));
  return { path: join(folder, "store"), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Memory backends behind a socket, whose time stands still except for `advance`. What waits for the other end does so in real time. */
export const sharedHarness: BackendHarness = {
  async open(options) {
    const { path, remove } = createSocketFolder();
    const { clock, backend: kept } = openMemory(options);
    const deps = { clock: withRealTimers(clock), logger: silentLogger };
    const store = createSharedStore({ ...deps, backend: kept, ids: createIdGenerator(clock, 0) }, { path });
    await store.start();
    const backend = connectSharedStore(deps, { path });
    const heard = new Recorder();
    await backend.start(heard);
    backend.follow(true);
    await backend.get([]);
    heard.clear();
    return {
      backend,
      heard,
      slackMs: 0,
      now: async () => clock.now(),
      advance: (ms) => clock.advance(ms),
      stepWall: async (ms) => clock.stepWall(ms),
      // Notices come in the order of the answers, or in the same turn.
      settled: async () => {
        await backend.get([]);
        await backend.get([]);
      },
      async close() {
        await backend.stop();
        await store.stop();
        remove();
      },
    };
  },
};
