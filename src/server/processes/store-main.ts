import { hostname } from "node:os";
import { createSharedStore } from "../../backends/shared/shared-store.js";
import { createSystemClock } from "../../core/clock.js";
import { createStorage } from "../../storage.js";
import { serveSupervisor } from "../../supervisor/serve-supervisor.js";
import { readConfig } from "../config/config.js";
import { guessLogSettings } from "../config/logging.js";
import { createMemoryGuard, memoryOfProcess } from "../health/memory-guard.js";
import { createProcessLog } from "../log/process-log.js";
import { refusalOf, tellProblems } from "../log/tell-problems.js";
import { createStoreProcessMetrics } from "../metrics/store-process.js";
import { EXIT_CONFIG, EXIT_FAULT, endProcess, type Stoppable, stopAll, surviveHandlers } from "../process-life.js";
import { storageSettings } from "../storage-settings.js";
import type { FromStore, StoreArgument, ToStore } from "./messages.js";
import { answer } from "./questions.js";

// The process that keeps the jobs for those that serve, in memory or in a file. Its argument says where it listens.
const { path, servers }: StoreArgument = JSON.parse(process.argv[2] ?? "");
const clock = createSystemClock();
const log = createProcessLog(guessLogSettings(process.env), process.stdout, !process.env.NO_COLOR, {
  process: "store",
});
process.stderr.on("error", () => {});
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
    const { backend, ids } = createStorage(storageSettings(config), `${hostname()}/${process.pid}`, deps);
    const store = createSharedStore({ backend, ids, clock, logger: log.logger }, { path, nodeId: config.nodeId });
    await store.start();
    surviveHandlers(store, log, clock);
    link.ready();
    return store;
  } catch (error) {
    const refusal = refusalOf(error);
    // The primary tells those.
    if (refusal !== undefined) await new Promise<void>((sent) => send({ kind: "refused", ...refusal }, sent));
    else tellProblems(log, error, (text) => process.stderr.write(`${text}\n`));
    return endProcess(log, refusal === undefined ? EXIT_FAULT : EXIT_CONFIG);
  }
}

async function stop(): Promise<void> {
  const store = await starting;
  try {
    await stopAll(store);
  } catch (error) {
    log.life.fatal({ err: error }, "stopping failed");
    await endProcess(log, EXIT_FAULT);
  }
  await endProcess(log, 0);
}
