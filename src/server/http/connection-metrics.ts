import type { Logger } from "../../model/log/logger.js";
import type { Meter } from "../metrics/meter.js";
import type { ConnectionObserver } from "./connection-observer.js";

/** Counts connections, and logs those that were refused or ended. `logger` should be a calm one. */
export function createConnectionMetrics(meter: Meter, logger: Logger): ConnectionObserver {
  let open = 0;
  const refused = new Map<string, number>();
  meter.gauge("gotaskq_connections", "Connections open now.", () => open);
  meter.counters(
    "gotaskq_connections_refused_total",
    "Connections not taken (server_full, address_full, accept_failed), and connections or streams ended (flood, stalled).",
    () => [...refused].map(([reason, value]) => ({ labels: { reason }, value })),
  );
  const count = (reason: string) => refused.set(reason, (refused.get(reason) ?? 0) + 1);
  return {
    connections(change) {
      open += change;
    },
    refused(reason, address) {
      count(reason);
      logger.warn({ reason, remote: address }, TEXTS[reason]);
    },
    acceptFailed(error) {
      count("accept_failed");
      logger.error({ err: error }, "connections cannot be accepted: the process may have too few file descriptors");
    },
  };
}

const TEXTS = {
  server_full: "a connection was refused: MAX_CONNECTIONS are open",
  address_full: "a connection was refused: its address has MAX_CONNECTIONS_PER_ADDRESS open",
  flood: "a connection was ended: it sent much, and no requests",
  stalled: "a stream or connection was ended: its client took nothing of what waited for it within WRITE_TIMEOUT",
} as const;
