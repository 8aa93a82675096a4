import { createRouterTransport, type Transport } from "@connectrpc/connect";
import type { Engine } from "../core/engine.js";
import { silentLogger } from "../model/log/logger.js";
import { createInterceptor } from "../rpc/interceptor.js";
import { createRpcRecorder } from "../rpc/rpc-recorder.js";
import type { HealthSource } from "../rpc/services/health-service.js";
import { createOwnServices, createStandardServices } from "../rpc/services/services.js";
import { BINARY_OPTIONS, JSON_OPTIONS } from "../rpc/wire-options.js";

/** Most streams of a transport in memory. */
const MAX_STREAMS = 10_000;

/** What the server says of itself. */
export interface MemoryServer {
  readonly version: string;
  readonly leaseMs: number;
}

/**
 * Creates a transport that serves the RPCs of a real server on this engine, in this process: with their checks, conversions and errors, without
 * a port. Calls are encoded and decoded as on a network.
 */
export function createMemoryTransport(engine: Engine, { version, leaseMs }: MemoryServer): Transport {
  const health: HealthSource = { isServing: true, isDraining: false, isClosed: false, watch: () => () => {} };
  const info = { version, leaseMs, nodeId: () => 0, maxStreams: MAX_STREAMS, uptimeMs: () => 0 };
  const services = [...createOwnServices(engine, health, info), ...createStandardServices(health)];
  const observer = { rpcEnded() {}, itemsRefused() {}, streams() {} };
  const recorder = createRpcRecorder({
    observer,
    logger: silentLogger,
    maxStreams: MAX_STREAMS,
    hasRequestInfo: false,
  });
  const router = {
    interceptors: [createInterceptor(recorder)],
    jsonOptions: JSON_OPTIONS,
    binaryOptions: BINARY_OPTIONS,
  };
  return createRouterTransport(
    ({ service }) => {
      for (const { desc, impl } of services) service(desc, impl);
    },
    { router },
  );
}
