import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectSharedStore } from "../../../src/backends/shared/shared-backend.js";
import { createSharedStore } from "../../../src/backends/shared/shared-store.js";
import type { Backend, TickResult } from "../../../src/core/backend.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { createIdGenerator } from "../../../src/model/queue/ids.js";
import { withRealTimers } from "../../support/fake-clock.js";
import { type BackendHarness, Recorder, timeOf } from "./harness.js";
import { openMemory } from "./memory-harness.js";

/** A folder for the socket of a store. */
export function createSocketFolder(): { readonly path: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-"));
  return { path: join(folder, "store"), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/**
 * Memory backends behind a socket, whose time stands still except for `advance`. What waits for the other end does so in real time.
 * With several `servers` each operation is asked of the next one; the first hears, and ticks as long as it has the turn.
 */
export function createSharedHarness(servers = 1): BackendHarness {
  return {
    async open(options) {
      const { path, remove } = createSocketFolder();
      const { clock, backend: kept } = openMemory(options);
      const deps = { clock: withRealTimers(clock), logger: silentLogger };
      const store = createSharedStore({ ...deps, backend: kept, ids: createIdGenerator(clock, 0) }, { path });
      await store.start();
      const backends = Array.from({ length: servers }, () => connectSharedStore(deps, { path }));
      const heard = new Recorder();
      for (const [at, backend] of backends.entries()) await backend.start(at === 0 ? heard : new Recorder());
      const backend = inTurn(backends);
      backend.follow({ of: "changes", queue: undefined }, true);
      await backend.get([]);
      heard.clear();
      return {
        backend,
        heard,
        ...timeOf(clock),
        // Notices come in the order of the answers, or in the same turn.
        settled: async () => {
          await backend.head();
          await backend.head();
        },
        async close() {
          await Promise.all(backends.map((each) => each.stop()));
          await store.stop();
          remove();
        },
      };
    },
  };
}

/** What only the first of several servers is asked. */
const OF_FIRST: ReadonlySet<string> = new Set(["start", "stop", "told", "follow", "head", "read", "queueNames"]);

/**
 * Ticks at the first, and at others until one tells when the next is due, as the one does whose turn it is: on a slow machine the first
 * seems to be late, as the time of the test moves on at once.
 */
async function tickInTurn(backends: readonly Backend[]): Promise<TickResult> {
  const ticks: TickResult[] = [];
  for (const backend of backends) {
    const tick = await backend.tick();
    ticks.push(tick);
    if (tick.nextInMs !== undefined) break;
  }
  return {
    lost: ticks.flatMap(({ lost }) => lost),
    expired: ticks.flatMap(({ expired }) => expired),
    schedules: ticks.flatMap(({ schedules }) => schedules),
    nextInMs: ticks.at(-1)?.nextInMs,
  };
}

/** A backend that asks several in turn. */
function inTurn(backends: readonly Backend[]): Backend {
  const [first, ...others] = backends;
  if (first === undefined) throw new Error("there is no server");
  if (others.length === 0) return first;
  let turn = 0;
  const operations = Object.entries(first).map(([name, value]) => {
    if (typeof value !== "function" || OF_FIRST.has(name)) return [name, value];
    const operation = (...args: readonly unknown[]): unknown => {
      const backend = backends[turn++ % backends.length] as unknown as Record<string, typeof operation>;
      return backend[name]?.(...args);
    };
    return [name, operation];
  });
  return { ...Object.fromEntries(operations), tick: () => tickInTurn(backends) };
}
