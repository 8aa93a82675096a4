import type { AddressInfo } from "node:net";
import { type Clock, createSystemClock } from "../core/clock.js";
import type { Engine } from "../core/engine.js";
import { createListQueues } from "../core/operations/list-queues.js";
import { type EngineSettings, type EngineSetup, setUpEngine } from "../engine-setup.js";
import type { Handlers } from "../model/handler.js";
import type { Logger } from "../model/logger.js";
import { type HttpRequest, type HttpResponse, pathOf } from "../rpc/http.js";
import { createRpcHandler } from "../rpc/http-handler.js";
import { createBuiltinHandlers } from "./builtin-handlers.js";
import type { Config } from "./config.js";
import { type Console, createConsole } from "./console.js";
import { withCors } from "./cors.js";
import { HealthState } from "./health.js";
import { createListener } from "./listener.js";
import { createMemoryGuard } from "./memory-guard.js";
import { createMetrics, MAX_QUEUES, type Metrics } from "./metrics.js";
import { readVersion } from "./version.js";

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
  readonly clock?: Clock | undefined;
  /** See `RpcHandlerOptions`. */
  readonly isFastPathOn?: boolean | undefined;
}

/** Returns the settings of the engine that belong to this configuration. */
function settingsOf(config: Config, handlers: Handlers): EngineSettings {
  const { baseDelayMs, maxDelayMs, redis } = config;
  return {
    ...config,
    handlers,
    backoff: { baseDelayMs, maxDelayMs },
    redisUrl: redis?.url,
    redisPrefix: redis?.prefix,
  };
}

/** Starts a server. Rejects when it cannot listen there, and with `RedisUnusable` when its Redis cannot be used. */
export async function startServer(config: Config, deps: ServerDeps): Promise<Server> {
  const { logger, clock = createSystemClock() } = deps;
  const handlers = deps.handlers ?? createBuiltinHandlers(clock);
  const health = new HealthState();
  const metrics = createMetrics({
    queues: () => listQueues(),
    isAvailable: () => engine.isAvailable,
    activeWorkers: () => engine.activeWorkers,
    remoteWorkers: () => engine.remote.counts,
    types: Object.keys(handlers),
  });
  const guard = createMemoryGuard();
  const { engine, nodeId }: EngineSetup = setUpEngine(
    settingsOf(config, handlers),
    { clock, logger, observer: metrics.observer, isFull: guard.isFull },
    { queues: config.queues, availableChanged: (isAvailable) => health.set(isAvailable) },
  );
  const listQueues = createListQueues(engine.backend, MAX_QUEUES);
  const startedAt = clock.monotonic();
  const webConsole = createConsole();
  const rpc = createRpcHandler(engine, {
    observer: metrics,
    logger,
    maxStreams: config.maxStreams,
    requestTimeoutMs: config.requestTimeoutMs,
    isFastPathOn: deps.isFastPathOn,
    health,
    info: {
      version: readVersion(),
      nodeId: () => nodeId() ?? config.nodeId,
      leaseMs: config.leaseMs,
      uptimeMs: () => clock.monotonic() - startedAt,
    },
    otherwise: (request, response) => answerPage(request, response, webConsole, metrics, health, logger),
  });
  const listener = createListener(withCors(rpc, config.corsOrigins), config);

  let address: AddressInfo;
  try {
    await engine.start();
    address = await listener.listen(config.port, config.host).catch(async (error) => {
      await engine.stop(0);
      throw error;
    });
  } catch (error) {
    guard.stop();
    throw error;
  }

  let stopped: Promise<void> | undefined;
  return {
    engine,
    health,
    address,
    url: `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`,
    stop() {
      stopped ??= (async () => {
        health.drain();
        await engine.stop(config.shutdownTimeoutMs);
        health.close();
        await listener.close();
        guard.stop();
      })();
      return stopped;
    },
  };
}

/** Answers requests that are no RPCs: the console, `/healthz` and `/metrics`; 404 for any other path. */
function answerPage(
  request: HttpRequest,
  response: HttpResponse,
  webConsole: Console,
  metrics: Metrics,
  health: HealthState,
  logger: Logger,
): void {
  const answer = (status: number, type: string, body: string) => {
    response.statusCode = status;
    response.setHeader("content-type", type);
    response.end(request.method === "HEAD" ? "" : body);
  };
  const path = pathOf(request);
  request.resume();
  if (webConsole.answer(path, request, response)) return;
  if (path !== "/healthz" && path !== "/metrics") {
    answer(
      404,
      "application/json",
      '{"code":"not_found","message":"no such page; RPCs are POST /gotaskq.v1.<Service>/<Method>"}',
    );
  } else if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    answer(405, "text/plain; charset=utf-8", "use GET\n");
  } else if (path === "/healthz") {
    const reason = health.isDraining ? "SERVER_DRAINING" : "BACKEND_UNAVAILABLE";
    if (health.isServing) answer(200, "application/json", '{"status":"SERVING"}');
    else answer(503, "application/json", JSON.stringify({ status: "NOT_SERVING", reason }));
  } else {
    metrics.page().then(
      ({ contentType, body }) => answer(200, contentType, body),
      (error) => {
        logger.error({ err: error }, "metrics could not be collected");
        answer(500, "text/plain; charset=utf-8", "metrics could not be collected\n");
      },
    );
  }
}
