import type { HealthSource } from "../rpc/services/health-service.js";

/**
 * Whether the server can serve calls now: what the health services tell. Serving while the backend is there; not
 * serving, for good, once the server drains.
 */
export class HealthState implements HealthSource {
  #isAvailable = true;
  #isDraining = false;
  #isClosed = false;
  readonly #watchers = new Set<() => void>();

  /** Whether calls are served. */
  get isServing(): boolean {
    return this.#isAvailable && !this.#isDraining;
  }

  /** Whether the server shuts down. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Whether watches should end. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The backend can be reached, or cannot. */
  set(isAvailable: boolean): void {
    if (isAvailable === this.#isAvailable) return;
    this.#isAvailable = isAvailable;
    this.#tell();
  }

  /** The server shuts down; it does not come back from that. */
  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#tell();
  }

  /** The server is about to close: watches end. */
  close(): void {
    this.drain();
    this.#isClosed = true;
    this.#tell();
  }

  /** Calls `changed` whenever something here may have changed, until the returned function is called. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  #tell(): void {
    for (const changed of [...this.#watchers]) changed();
  }
}
