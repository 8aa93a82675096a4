import type { AddressInfo } from "node:net";
import type { Authorizer } from "../access/authorizer.js";
import { calmLogger } from "../core/calm-logger.js";
import { type Clock, createSystemClock } from "../core/clock.js";
import type { Engine } from "../core/engine.js";
import type { HandlerRunner } from "../core/handler-runner.js";
import { createInProcessRunner } from "../core/pool/in-process-runner.js";
import { type EngineSettings, type EngineSetup, setUpEngine } from "../engine-setup.js";
import type { Handlers } from "../model/handler.js";
import type { Logger } from "../model/logger.js";
import { createRpcHandler } from "../rpc/http-handler.js";
import { RequestIds } from "../rpc/request-ids.js";
import type { StorageSettings } from "../storage.js";
import { createTracer } from "../telemetry/tracer.js";
import { readVersion } from "../version.js";
import { createAccess } from "./access/access.js";
import type { Config } from "./config/config.js";
import { isLoopback } from "./config/loopback.js";
import { createBuiltinHandlers } from "./handlers/builtin-handlers.js";
import { watchEventLoop } from "./health/event-loop-watch.js";
import { HealthState } from "./health/health.js";
import { createMemoryGuard } from "./health/memory-guard.js";
import { createConnectionMetrics } from "./http/connection-metrics.js";
import { CONNECTION_TIMES } from "./http/connection-times.js";
import { createConsole } from "./http/console.js";
import { withCors } from "./http/cors.js";
import { withHostCheck } from "./http/host-check.js";
import { createListener } from "./http/listener.js";
import { answerPage } from "./http/pages.js";
import { createMetrics, type MetricsPage, PAGE_TYPE } from "./metrics/metrics.js";
import type { Siblings } from "./processes/siblings.js";
import { storageSettings } from "./storage-settings.js";
import { watchRedisTls } from "./tls/redis-tls.js";
import { createTlsMetrics } from "./tls/tls-metrics.js";
import { createTlsTerminator } from "./tls/tls-terminator.js";
import { urlOf } from "./url-of.js";

/** A running server. */
export interface Server {
  readonly engine: Engine;
  /** What the health service and `/healthz` report. */
  readonly health: HealthState;
  readonly address: AddressInfo;
  /** The URL for clients, as in `http://127.0.0.1:8000`. */
  readonly url: string;
  /**
   * Takes no more jobs, lets running ones finish within SHUTDOWN_TIMEOUT, then releases them, ends the streams with
   * SERVER_DRAINING, and closes the port. Until then calls are answered, so that callers learn the reason. Idempotent.
   */
  stop(): Promise<void>;
}

/** Dependencies of a server. */
export interface ServerDeps {
  readonly logger: Logger;
  /** Handlers by job type. Default: the built-in handlers. */
  readonly handlers?: Handlers | undefined;
  /** Tells who makes a call that has no token of the configuration. Default: such calls are refused, if there are tokens. */
  readonly authorizer?: Authorizer | undefined;
  /** Runs the handlers, in place of `handlers`. It is stopped with the server. */
  readonly runner?: HandlerRunner | undefined;
  readonly clock?: Clock | undefined;
  /** See `RpcHandlerOptions`. */
  readonly isFastPathOn?: boolean | undefined;
  /** The other processes behind its port. Default: it has the port for itself. */
  readonly siblings?: Siblings | undefined;
}

/** Returns the settings of the engine that belong to this configuration. */
function settingsOf(config: Config, runner: HandlerRunner, storage: StorageSettings): EngineSettings {
  const { baseDelayMs, maxDelayMs } = config;
  return { ...config, ...storage, handlers: undefined, runner, backoff: { baseDelayMs, maxDelayMs } };
}

/** The metrics page of all processes of a server. */
function pageOfAll(siblings: Siblings): { page(): Promise<MetricsPage> } {
  return { page: async () => ({ contentType: PAGE_TYPE, body: await siblings.page() }) };
}

/** Starts a server. Rejects when it cannot listen there, and with `RedisUnusable` when its Redis cannot be used. */
export async function startServer(config: Config, deps: ServerDeps): Promise<Server> {
  const { logger, siblings, clock = createSystemClock() } = deps;
  const runner = deps.runner ?? createInProcessRunner(deps.handlers ?? createBuiltinHandlers(clock), clock);
  const health = new HealthState();
  const tracer = createTracer();
  const guard = createMemoryGuard();
  const version = readVersion();
  const node = () => nodeId() ?? config.nodeId;
  const { handshakeMs } = CONNECTION_TIMES;
  // A flood of bad calls or connections must not be one of lines.
  const callLogger = calmLogger(logger, clock);
  const tls = config.tls && createTlsTerminator(config.tls, { clock, logger: callLogger, handshakeMs });
  const redisTls = config.redis?.tls && watchRedisTls(config.redis.tls, clock, logger);
  const metrics = createMetrics({
    isAvailable: () => engine.isAvailable,
    activeWorkers: () => engine.activeWorkers,
    workers: () => engine.workers(),
    isMemoryFull: () => guard.isFullNow,
    types: runner.types,
    monotonic: () => clock.monotonic(),
    version,
    node,
    backend: () => engine.backend,
  });
  if (tls !== undefined) createTlsMetrics(metrics.meter, tls);
  const { engine, nodeId }: EngineSetup = setUpEngine(
    settingsOf(config, runner, storageSettings(config, redisTls)),
    {
      ...{
        clock,
        logger,
        tracer,
        observer: metrics.observer,
        storeObserver: metrics.storeObserver,
        isFull: guard.isFull,
      },
      connect: siblings?.connect,
    },
    {
      queues: config.queues,
      availableChanged(isAvailable) {
        health.set(isAvailable);
        siblings?.available(isAvailable);
      },
      poolId: String(siblings?.index ?? 0),
      otherWorkers: siblings && (() => siblings.workers()),
    },
  );
  siblings?.onOthersAvailable((areAvailable) => health.setOthers(areAvailable));
  siblings?.answer({ page: () => metrics.page(), workers: () => engine.workers() });
  const startedAt = clock.monotonic() - (siblings?.ranMs ?? 0);
  const loopWatch = { clock, logger: callLogger, meter: metrics.meter, recent: runner.recent };
  const stopLoopWatch = config.eventLoopWarnMs > 0 ? watchEventLoop(loopWatch, config.eventLoopWarnMs) : () => {};
  const accessDeps = { clock, logger, callLogger, meter: metrics.meter, processes: siblings?.processes };
  const access = createAccess(config.access, accessDeps, deps.authorizer);
  const requestIds = new RequestIds();
  const metricsGate = config.access.areMetricsOpen ? undefined : access.gate;
  const metricsPage = siblings === undefined ? metrics : pageOfAll(siblings);
  const pages = {
    webConsole: createConsole(),
    metrics: metricsPage,
    metricsGate,
    health,
    requestIds,
    logger: callLogger,
  };
  const rpc = createRpcHandler(engine, {
    observer: metrics,
    logger: callLogger,
    tracer,
    requestIds,
    maxStreams: config.maxStreams,
    maxStreamsPerToken: config.maxStreamsPerToken,
    gate: access.gate,
    maxCallsPerConnection: config.connections.maxCallsPerConnection,
    requestTimeoutMs: config.requestTimeoutMs,
    isFastPathOn: deps.isFastPathOn,
    health,
    info: {
      version,
      nodeId: node,
      leaseMs: config.leaseMs,
      uptimeMs: () => clock.monotonic() - startedAt,
    },
    otherwise: (request, response) => answerPage(request, response, pages),
  });
  const open = withCors(rpc, config.corsOrigins, requestIds);
  const handler =
    isLoopback(config.host) && access.gate === undefined ? withHostCheck(open, { ...config, requestIds }) : open;
  const { idleTimeoutMs, writeTimeoutMs, ...limits } = config.connections;
  const listener = createListener(handler, {
    ...limits,
    requestTimeoutMs: config.requestTimeoutMs,
    times: { ...CONNECTION_TIMES, keepAliveMs: idleTimeoutMs, stallMs: writeTimeoutMs },
    observer: createConnectionMetrics(metrics.meter, callLogger),
    tls,
    openPort: siblings?.openPort,
  });

  let address: AddressInfo;
  try {
    await engine.start();
    address = await listener.listen(config.port, config.host).catch(async (error) => {
      await engine.stop(0);
      throw error;
    });
  } catch (error) {
    await runner.stop();
    stopLoopWatch();
    access.stop();
    guard.stop();
    metrics.stop();
    tls?.stop();
    redisTls?.stop();
    throw error;
  }

  let stopped: Promise<void> | undefined;
  return {
    engine,
    health,
    address,
    url: urlOf(address, tls !== undefined),
    stop() {
      stopped ??= (async () => {
        health.drain();
        await engine.stop(config.shutdownTimeoutMs);
        health.close();
        await listener.close();
        stopLoopWatch();
        access.stop();
        guard.stop();
        metrics.stop();
        tls?.stop();
        redisTls?.stop();
      })();
      return stopped;
    },
  };
}
