import type { QueueName } from "../../../core/backend.js";
import type { Connection } from "../link/connection.js";
import type { Keys } from "../scripts/keys.js";
import { ENTER_QUEUE, LEAVE_QUEUE } from "../scripts/registry.js";
import { plainScript } from "../scripts/script.js";

/** How long the log of a deleted queue is kept, ms: watchers that resume learn from it that the jobs were deleted. */
export const GONE_LOG_MS = 24 * 3_600_000;

const ENTER = plainScript("end", ENTER_QUEUE);
const LEAVE = plainScript("end", LEAVE_QUEUE);

/**
 * The list of queues. A queue exists when its own keys say so; the list only tells which to look at. It is written
 * after those keys, so for a moment, or when a server died in between, an entry may be missing or left over; the next
 * create or sweep of the queue repairs that.
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

  /** Names of the queues as last read, sorted. */
  get names(): readonly string[] {
    return [...this.#names.keys()];
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** `names`, and the deleted queues whose log is still kept. */
  get logs(): readonly string[] {
    return [...this.#names.keys(), ...this.#gone.filter((name) => !this.#names.has(name))];
  }

  /** Reads the list from Redis; resolves to the queues, sorted by name. */
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

  /** Adds a queue, or updates its weight. `stamp`: when it was created, ms since 1970. */
  async enter(name: string, stamp: number, weight: number): Promise<void> {
    const { queues, gone, channel } = this.#keys;
    await this.#connection.script(ENTER, [queues, gone], [name, stamp, weight, channel]);
    await this.refresh();
  }

  /** Removes the queue that was created at `stamp`; leaves a newer one of the same name alone. */
  async leave(name: string, stamp: number | string): Promise<void> {
    const { queues, gone, channel } = this.#keys;
    await this.#connection.script(LEAVE, [queues, gone], [name, stamp, channel, GONE_LOG_MS]);
    await this.refresh();
  }

  /** When the queue was created, by its entry; undefined when there is no entry. */
  stampOf(name: string): string | undefined {
    return this.#names.get(name)?.stamp;
  }
}
