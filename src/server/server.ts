import type { AddressInfo } from "node:net";
import { createSystemClock } from "../core/clock.js";
import type { Engine } from "../core/engine.js";
import type { Config } from "./config/config.js";
import { isLoopback } from "./config/loopback.js";
import type { HealthState } from "./health/health.js";
import { createConnectionMetrics } from "./http/connection-metrics.js";
import { CONNECTION_TIMES } from "./http/connection-times.js";
import { withHostCheck } from "./http/host-check.js";
import { createListener } from "./http/listener.js";
import { createServerEngine, type ServerEngineDeps } from "./server-engine.js";
import { createServing, type ServingDeps } from "./serving.js";
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
   * Takes no more jobs, lets running ones finish within `timeoutMs` (default: SHUTDOWN_TIMEOUT), then releases them, ends the
   * streams with SERVER_DRAINING, and closes the port. Until then calls are answered, so that callers learn the reason. Idempotent.
   */
  stop(timeoutMs?: number): Promise<void>;
}

/** Dependencies of a server. */
export interface ServerDeps extends ServerEngineDeps, ServingDeps {}

/** Starts a server. Rejects when it cannot listen there, and with `RedisUnusable` when its Redis cannot be used. */
export async function startServer(config: Config, deps: ServerDeps): Promise<Server> {
  const { siblings, clock = createSystemClock() } = deps;
  const measured = createServerEngine(config, { ...deps, clock });
  const { engine, metrics, health } = measured;
  const serving = createServing(measured, config, { ...deps, clock });
  const { handler: open, requestIds, callLogger } = serving;
  const { handshakeMs } = CONNECTION_TIMES;
  const tls = config.tls && createTlsTerminator(config.tls, { clock, logger: callLogger, handshakeMs });
  if (tls !== undefined) createTlsMetrics(metrics.meter, tls);
  const isLocal = isLoopback(config.host) && !serving.asksForToken;
  const { idleTimeoutMs, writeTimeoutMs, ...limits } = config.connections;
  const listener = createListener(isLocal ? withHostCheck(open, { ...config, requestIds }) : open, {
    ...limits,
    requestTimeoutMs: config.requestTimeoutMs,
    times: { ...CONNECTION_TIMES, keepAliveMs: idleTimeoutMs, stallMs: writeTimeoutMs },
    observer: createConnectionMetrics(metrics.meter, callLogger),
    tls,
    openPort: siblings?.openPort,
  });

  function release(): void {
    serving.stop();
    measured.release();
    tls?.stop();
  }

  let address: AddressInfo;
  try {
    await measured.start();
    address = await listener.listen(config.port, config.host).catch(async (error) => {
      await engine.stop(0);
      throw error;
    });
  } catch (error) {
    release();
    throw error;
  }

  let stopped: Promise<void> | undefined;
  return {
    engine,
    health,
    address,
    url: urlOf(address, tls !== undefined),
    stop(timeoutMs = config.shutdownTimeoutMs) {
      stopped ??= (async () => {
        health.drain();
        await engine.stop(timeoutMs);
        health.close();
        await listener.close();
        release();
      })();
      return stopped;
    },
  };
}
