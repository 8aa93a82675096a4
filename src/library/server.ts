import { createListing } from "../api/listing.js";
import type { Server } from "../api/server.js";
import type { Clock } from "../core/clock.js";
import type { Engine } from "../core/engine.js";
import { pageOfWorkers } from "../core/operations/list-workers.js";
import { LIMITS } from "../model/common/limits.js";
import { readVersion } from "../version.js";
import type { Calls } from "./calls.js";

/** What the library knows of itself. */
export interface ServerDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly nodeId: () => number | undefined;
  readonly leaseMs: number;
  /** Whether it runs: it was started, and not stopped. */
  readonly isRunning: () => boolean;
  readonly isStopping: () => boolean;
}

/** Creates what tells of this program as of a server. */
export function createLocalServer(
  { engine, clock, nodeId, leaseMs, isRunning, isStopping }: ServerDeps,
  calls: Calls,
): Server {
  const since = clock.monotonic();
  const { payloadBytes, payloadDepth, batch, typeLength, metadataEntries, filterEntries } = LIMITS;
  const { priority, maxRetries, delayMs, maxInFlight, waitMs, minLeaseMs, maxLeaseMs } = LIMITS;
  const limits = {
    ...{ payloadBytes, payloadDepth, batch, typeLength, metadataEntries, filterEntries },
    ...{ priority, maxRetries, delayMs, maxInFlight, waitMs, minLeaseMs, maxLeaseMs },
    ...{ defaultLeaseMs: leaseMs, messageBytes: undefined, maxStreams: undefined },
  };
  return {
    info: (options) =>
      calls.one(
        async () => ({
          version: readVersion(),
          store: engine.backend.kind,
          durable: engine.backend.durable,
          nodeId: nodeId(),
          uptimeMs: clock.monotonic() - since,
          draining: isStopping(),
          limits,
          caller: undefined,
        }),
        options,
      ),
    health: (options) =>
      calls.one(async () => (isRunning() && engine.isAvailable ? "SERVING" : "NOT_SERVING"), options),
    workers: (query = {}, options) =>
      createListing(query.pageToken, (pageToken) =>
        calls.one(async () => {
          const { workers, nextPageToken } = pageOfWorkers(await engine.allWorkers(), { ...query, pageToken });
          return { items: workers.map((each) => ({ ...each, running: each.jobIds.length })), nextPageToken };
        }, options),
      ),
  };
}
