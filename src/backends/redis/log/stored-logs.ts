import { atMost } from "../link/at-most.js";
import type { Connection } from "../link/connection.js";
import type { QueueRegistry } from "../queues/queue-registry.js";
import type { Keys } from "../scripts/keys.js";
import { type LogEntry, readEntry } from "./log-entry.js";
import type { LogEnd, LogFollower } from "./log-follower.js";

/** Most logs that are asked about at the same time: Redis serves others in between. */
const AT_ONCE = 64;

/** Dependencies of the logs in Redis. */
export interface StoredLogsDeps {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly registry: QueueRegistry;
  /** The follower that is told of what was found. */
  readonly follower: () => LogFollower;
}

/** The logs as they lie in Redis. */
export class StoredLogs {
  readonly #deps: StoredLogsDeps;

  constructor(deps: StoredLogsDeps) {
    this.#deps = deps;
  }

  /** Asks Redis where these logs end, and follows them to there. `isAll`: some may not be there any more. */
  async find(queues: readonly string[], isAll = false): Promise<void> {
    // Noted before the ends are read: notices that arrive meanwhile may already be past those ends.
    const heard = new Map(queues.map((queue) => [queue, this.#follower.heard(queue)?.heard]));
    await atMost(AT_ONCE, queues, async (queue) => {
      const end = await this.#end(queue);
      if (end !== undefined) await this.#follower.follow(queue, end, heard.get(queue));
      else if (isAll && heard.get(queue) !== undefined) this.noLog(queue);
    });
  }

  /** The end of a log; undefined when there is none. */
  async #end(queue: string): Promise<LogEnd | undefined> {
    const { connection, keys } = this.#deps;
    const at = keys.position(queue);
    const [epoch, changes, stamp] = await connection.call((client) => client.hmget(at, "epoch", "changes", "stamp"));
    return this.endOf(queue, epoch ?? "", changes ?? "", stamp ?? "");
  }

  /** The end of a log, from the fields of its position. */
  async endOf(queue: string, epoch: string, changes: string, stamp: string): Promise<LogEnd | undefined> {
    if (epoch === "") return undefined;
    const count = Number(changes);
    const [micros, stamped] = stamp.split(" ");
    if (count === 0 || stamped === changes) return { epoch, count, stamp: Number(micros) };
    // The last change was made by an older server.
    const [entry] = await this.read(queue, count - 1, 1);
    return { epoch, count, stamp: entry?.stamp ?? 0 };
  }

  /** A log was not found. Of a deleted queue the end is remembered, to tell who has missed something of it. */
  noLog(queue: string): void {
    this.#deps.registry.noLog(queue);
    if (!this.#deps.registry.isOver(queue)) this.#follower.forget(queue);
  }

  /** Reads up to `count` entries after a position, oldest first. */
  async read(queue: string, after: number, count: number): Promise<LogEntry[]> {
    const { connection, keys } = this.#deps;
    const found = await connection.call((client) => client.xrange(keys.log(queue), `(${after}`, "+", "COUNT", count));
    return found.map(readEntry);
  }

  get #follower(): LogFollower {
    return this.#deps.follower();
  }
}
