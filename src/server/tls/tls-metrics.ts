import type { Meter } from "../metrics/meter.js";
import type { TlsTerminator } from "./tls-terminator.js";

/** Adds the metrics of a port that speaks TLS. */
export function createTlsMetrics(meter: Meter, tls: Pick<TlsTerminator, "endsAt" | "failed">): void {
  meter.gauge(
    "gotaskq_tls_certificate_expires_timestamp_seconds",
    "When the certificate of the port ends, in seconds since 1970.",
    () => tls.endsAt / 1000,
    "min",
  );
  meter.counters("gotaskq_tls_handshakes_failed_total", "Connections that were not let in by TLS.", () => [
    { labels: {}, value: tls.failed },
  ]);
}
