import type { Authorizer } from "../access/authorizer.js";
import { calmLogger } from "../core/calm-logger.js";
import { type Clock, createSystemClock } from "../core/clock.js";
import type { Logger } from "../model/log/logger.js";
import { createRpcHandler } from "../rpc/http-handler.js";
import { RequestIds } from "../rpc/request-ids.js";
import { readVersion } from "../version.js";
import { createAccess } from "./access/access.js";
import type { Config } from "./config/config.js";
import { watchEventLoop } from "./health/event-loop-watch.js";
import { createConsole } from "./http/console.js";
import { withCors } from "./http/cors.js";
import type { RequestHandler } from "./http/listener.js";
import { answerPage } from "./http/pages.js";
import { type MetricsPage, PAGE_TYPE } from "./metrics/metrics.js";
import type { Siblings } from "./processes/siblings.js";
import type { MeasuredEngine } from "./server-engine.js";

/** What answers the requests of a server, whatever takes them in. */
export interface Serving {
  /** Answers RPCs, pages and the console, to pages of other origins as configured. */
  readonly handler: RequestHandler;
  /** Whether it asks who calls. */
  readonly asksForToken: boolean;
  readonly requestIds: RequestIds;
  /** For lines that calls cause: a flood of bad ones must not be one of lines. */
  readonly callLogger: Logger;
  /** Ends what it watches. Idempotent. */
  stop(): void;
}

/** Dependencies of the serving. */
export interface ServingDeps {
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  /** Tells who makes a call that has no token of the configuration. Default: such calls are refused, if there are tokens. */
  readonly authorizer?: Authorizer | undefined;
  /** See `RpcHandlerOptions`. */
  readonly isFastPathOn?: boolean | undefined;
  /** The other processes behind its port. Default: it has the port for itself. */
  readonly siblings?: Siblings | undefined;
}

/** The metrics page of all processes of a server. */
function pageOfAll(siblings: Siblings): { page(): Promise<MetricsPage> } {
  return { page: async () => ({ contentType: PAGE_TYPE, body: await siblings.page() }) };
}

/** Creates what answers the requests for an engine. */
export function createServing(
  { engine, metrics, tracer, health, node, leaseMs, recent }: MeasuredEngine,
  config: Config,
  { logger, siblings, clock = createSystemClock(), ...deps }: ServingDeps,
): Serving {
  const callLogger = calmLogger(logger, clock);
  const startedAt = clock.monotonic() - (siblings?.ranMs ?? 0);
  const loopWatch = { clock, logger: callLogger, meter: metrics.meter, recent };
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
    gate: access.gate,
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
      version: readVersion(),
      nodeId: node,
      leaseMs,
      uptimeMs: () => clock.monotonic() - startedAt,
    },
    otherwise: (request, response) => answerPage(request, response, pages),
  });
  return {
    handler: withCors(rpc, config.corsOrigins, requestIds),
    asksForToken: access.gate !== undefined,
    requestIds,
    callLogger,
    stop() {
      stopLoopWatch();
      access.stop();
    },
  };
}
