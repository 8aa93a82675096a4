import { createSharedStore } from "../../backends/shared/shared-store.js";
import { createSystemClock } from "../../core/clock.js";
import { createStorage } from "../../storage.js";
import { serveSupervisor } from "../../supervisor/serve-supervisor.js";
import { readConfig } from "../config/config.js";
import { createMemoryGuard, memoryOfProcess } from "../health/memory-guard.js";
import { createStoreProcessMetrics } from "../metrics/store-process.js";
import { type Stoppable, surviveHandlers } from "../process-life.js";
import { storageSettings } from "../storage-settings.js";
import { createChildLog, endInOrder, endRefused } from "./child-life.js";
import type { FromStore, StoreArgument, ToStore } from "./messages.js";
import { answer } from "./questions.js";

// The process that keeps the jobs for those that serve, in memory or in a file. Its argument says where it listens.
const { path, servers }: StoreArgument = JSON.parse(process.argv[2] ?? "");
const clock = createSystemClock();
const log = createChildLog("store");
const guard = createMemoryGuard(memoryOfProcess(servers));
const metrics = createStoreProcessMetrics({ isMemoryFull: () => guard.isFullNow });

const link = serveSupervisor({
  stop,
  message(body) {
    const told = { page: () => metrics.page(), workers: async () => undefined };
    const failed = (error: unknown) => log.logger.error({ err: error }, "metrics could not be collected");
    void answer(body as ToStore, told, send, failed);
  },
});
const send = (message: FromStore, sent?: () => void) => link.send(message, sent);
const starting = start();

async function start(): Promise<Stoppable> {
  try {
    const config = readConfig(process.env);
    const deps = { clock, logger: log.logger, isFull: guard.isFull, storeObserver: metrics.observer };
    const { backend, ids } = createStorage(storageSettings(config), deps);
    const store = createSharedStore({ backend, ids, clock, logger: log.logger }, { path, nodeId: config.nodeId });
    await store.start();
    surviveHandlers(store, log, clock);
    link.ready();
    return store;
  } catch (error) {
    return endRefused(log, error, (refusal) => new Promise((sent) => send({ kind: "refused", ...refusal }, sent)));
  }
}

async function stop(): Promise<void> {
  await endInOrder(log, await starting);
}
