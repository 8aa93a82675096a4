import type { HealthSource } from "../../rpc/services/health-service.js";

/**
 * Whether the server can serve calls now, as reported by the health service and `/healthz`. It is serving while the
 * backend can be reached, by all of its processes. Once the server drains, it is not serving for good.
 */
export class HealthState implements HealthSource {
  #isAvailable = true;
  #areOthersAvailable = true;
  #isDraining = false;
  #isClosed = false;
  readonly #watchers = new Set<() => void>();

  /** Whether calls are served. */
  get isServing(): boolean {
    return this.#isAvailable && this.#areOthersAvailable && !this.#isDraining;
  }

  /** Whether the server shuts down. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Whether health watches should end. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Called when the backend can be reached again, or no longer. */
  set(isAvailable: boolean): void {
    if (isAvailable === this.#isAvailable) return;
    this.#isAvailable = isAvailable;
    this.#tell();
  }

  /**
   * Called when all other processes behind the same port can reach the backend, or one no longer can: who asks cannot choose which of
   * them answers, and whoever decides by the answer decides for all.
   */
  setOthers(areAvailable: boolean): void {
    if (areAvailable === this.#areOthersAvailable) return;
    this.#areOthersAvailable = areAvailable;
    this.#tell();
  }

  /** Called when the server begins to shut down. There is no way back. Idempotent. */
  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#tell();
  }

  /** Called right before the server closes its port: health watches end. */
  close(): void {
    this.drain();
    this.#isClosed = true;
    this.#tell();
  }

  /** Calls `changed` whenever the state may have changed, until the returned function is called. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  #tell(): void {
    for (const changed of [...this.#watchers]) changed();
  }
}
