import type { QueueName } from "../../../core/backend.js";
import type { Connection } from "../link/connection.js";
import type { Keys } from "../scripts/keys.js";
import { ENTER_QUEUE, LEAVE_QUEUE } from "../scripts/registry.js";
import { plainScript } from "../scripts/script.js";

/** How long the log of a deleted queue is kept, ms: watchers that come back learn that its jobs are gone. */
export const GONE_LOG_MS = 24 * 3_600_000;

const ENTER = plainScript("end", ENTER_QUEUE);
const LEAVE = plainScript("end", LEAVE_QUEUE);

/**
 * The list of queues. A queue is what its own keys say; the list tells where to look. It is written after them, so an
 * entry may be missing or idle for a moment, or when a server died in between: then the next create or sweep mends it.
 */
export class QueueRegistry {
  readonly #connection: Connection;
  readonly #keys: Keys;
  #names: ReadonlyMap<string, { readonly stamp: string; readonly weight: number }> = new Map();
  #gone: readonly string[] = [];

  constructor(connection: Connection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /** The queues as they were read last, by name. */
  get names(): readonly string[] {
    return [...this.#names.keys()];
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** These, and the deleted ones whose log is still kept. */
  get logs(): readonly string[] {
    return [...this.#names.keys(), ...this.#gone.filter((name) => !this.#names.has(name))];
  }

  /** Reads the list. */
  async refresh(): Promise<readonly QueueName[]> {
    const { queues, gone } = this.#keys;
    const [entries, goneNames] = await Promise.all([
      this.#connection.call((client) => client.hgetall(queues)),
      this.#connection.call((client) => client.zrange(gone, "0", "-1")),
    ]);
    const names = Object.entries(entries).map(([name, entry]) => {
      const [stamp = "", weight = "1"] = entry.split(":");
      return { name, stamp, weight: Number(weight) };
    });
    names.sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#names = new Map(names.map(({ name, stamp, weight }) => [name, { stamp, weight }]));
    this.#gone = goneNames;
    return names.map(({ name, weight }) => ({ name, weight }));
  }

  /** Enters a queue that was created at this time, or its new weight. */
  async enter(name: string, stamp: number, weight: number): Promise<void> {
    const { queues, gone, channel } = this.#keys;
    await this.#connection.script(ENTER, [queues, gone], [name, stamp, weight, channel]);
    await this.refresh();
  }

  /** Takes out a queue that was created at this time; not a newer one of the same name. */
  async leave(name: string, stamp: number | string): Promise<void> {
    const { queues, gone, channel } = this.#keys;
    await this.#connection.script(LEAVE, [queues, gone], [name, stamp, channel, GONE_LOG_MS]);
    await this.refresh();
  }

  /** When the queue of an entry was created; undefined: there is no entry. */
  stampOf(name: string): string | undefined {
    return this.#names.get(name)?.stamp;
  }
}
