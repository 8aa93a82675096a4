import type { BackendListener } from "../../../core/backend.js";
import type { Logger } from "../../../model/logger.js";
import type { Client } from "../link/client.js";
import type { Connection } from "../link/connection.js";
import type { DueTimes } from "../queues/due-times.js";
import type { QueueCalls } from "../queues/queue-calls.js";
import type { QueueRegistry } from "../queues/queue-registry.js";
import type { ReadyQueues } from "../queues/ready-queues.js";
import type { Keys } from "../scripts/keys.js";
import type { Position } from "./cursor.js";
import { type LogEntry, type Notice, readEntry, readNotice } from "./log-entry.js";
import { LogFollower } from "./log-follower.js";
import type { LogPart, LogSource } from "./merged-log.js";

/** Dependencies of the notifier. */
export interface NotifierDeps {
  readonly connection: Connection;
  /** The client that subscribes to the channel, and the connection that sends its calls. */
  readonly subscriber: Client;
  readonly subscription: Connection;
  readonly keys: Keys;
  readonly calls: QueueCalls;
  readonly registry: QueueRegistry;
  readonly dueTimes: DueTimes;
  readonly ready: ReadyQueues;
  readonly logger: Logger;
  /** Changes that the log of a queue keeps. */
  readonly logSize: number;
}

/**
 * Receives the notices of all servers from the channel and calls the listener; reads from the logs what the channel did
 * not bring. After a break in the connection, `resume` reads all state again.
 */
export class Notifier implements LogSource {
  readonly #deps: NotifierDeps;
  readonly #follower: LogFollower;
  #listener: BackendListener | undefined;
  /** Notices that wait, in order, while something is read that they depend on. */
  readonly #held: Notice[] = [];
  /** Number of reads in flight that notices wait for. 1 until the first `resume`, which learns the log positions. */
  #holds = 1;
  #isResumed = false;

  constructor(deps: NotifierDeps) {
    this.#deps = deps;
    this.#follower = new LogFollower({
      logSize: deps.logSize,
      read: (queue, after, count) => this.#read(queue, after, count),
      deliver: (entry) => this.#listener?.changes(entry),
      lost: (queue) => {
        deps.logger.warn({ queue }, "some changes were missed for good; watchers look at the jobs themselves");
        deps.calls.forgetPosition(queue);
        this.#listener?.resync();
      },
      failed: (error) => deps.logger.warn({ err: error }, "missed changes could not be read; trying again"),
    });
    deps.subscriber.on("message", (channel: string, message: string) => {
      const notice = channel === deps.keys.channel ? readNotice(message) : undefined;
      if (notice !== undefined) this.#take(notice);
    });
  }

  listen(listener: BackendListener | undefined): void {
    this.#listener = listener;
  }

  /** Subscribes, then reads all state and calls the listener for it: at the start, and after each break. */
  async resume(): Promise<void> {
    const { subscription, keys, registry, dueTimes, ready } = this.#deps;
    await subscription.call((client) => client.subscribe(keys.channel));
    await registry.refresh();
    // Noted before the ends are read: notices that arrive meanwhile may already be past those ends.
    const queues = this.queues();
    const heard = new Map(queues.map((queue) => [queue, this.#follower.heard(queue)?.position]));
    const ends = await this.ends(queues);
    for (const queue of queues) if (!ends.has(queue) && heard.get(queue) !== undefined) this.#follower.forget(queue);
    await Promise.all(
      [...ends].map(([queue, { epoch, count }]) => this.#follower.follow(queue, epoch, count, heard.get(queue))),
    );
    if (!this.#isResumed) {
      this.#isResumed = true;
      this.#release();
    }
    ready.markAll();
    dueTimes.reset(registry.names);
    this.#listener?.queues();
    this.#listener?.due(0);
    for (const queue of registry.names) this.#listener?.ready(queue);
  }

  queues(): readonly string[] {
    // A notice of a new queue may arrive before the queue is in the list.
    return [...new Set([...this.#deps.registry.logs, ...this.#follower.queues])];
  }

  async ends(queues: readonly string[]): Promise<Map<string, Position>> {
    const { connection, keys } = this.#deps;
    const answers = await Promise.all(
      queues.map((queue) => connection.call((client) => client.hmget(keys.position(queue), "epoch", "changes"))),
    );
    const ends = new Map<string, Position>();
    queues.forEach((queue, at) => {
      const [epoch, count] = answers[at] ?? [];
      if (epoch) ends.set(queue, { epoch, count: Number(count) });
    });
    return ends;
  }

  async after(queue: string, position: Position | undefined, count: number): Promise<LogPart | undefined> {
    const heard = this.#follower.heard(queue);
    const after = position?.count ?? 0;
    // Readers must see the changes of this server's own calls, even when their notice has not arrived yet.
    if (heard !== undefined && heard.position >= this.#deps.calls.position(queue)) {
      const entries = this.#follower.tail(queue, position?.epoch ?? heard.epoch, after);
      if (entries !== undefined) return { epoch: heard.epoch, entries, end: heard.position };
    }
    // The end is asked for first, so the entries, read after it, reach at least that far.
    const [ends, entries] = await Promise.all([this.ends([queue]), this.#read(queue, after, count)]);
    const end = ends.get(queue);
    if (end === undefined) return undefined;
    return { epoch: end.epoch, entries, end: Math.max(end.count, entries.at(-1)?.last ?? 0) };
  }

  async #read(queue: string, after: number, count: number): Promise<LogEntry[]> {
    const { connection, keys } = this.#deps;
    const found = await connection.call((client) => client.xrange(keys.log(queue), `(${after}`, "+", "COUNT", count));
    return found.map(readEntry);
  }

  #take(notice: Notice): void {
    if (this.#holds > 0) {
      this.#held.push(notice);
      return;
    }
    const { queue, entry, dueInMs, sweeper } = notice;
    const { dueTimes, ready } = this.#deps;
    if (entry !== undefined) this.#follower.take(notice, entry);
    if (sweeper !== undefined) dueTimes.swept(queue, dueInMs, sweeper);
    if (dueInMs !== undefined) this.#listener?.due(dueTimes.add(queue, dueInMs));
    if (notice.isReady) {
      ready.mark(queue);
      this.#listener?.ready(queue);
    }
    if (notice.queuesChanged) void this.#refresh();
  }

  /** Reads the list of queues, then tells the listener that it changed; notices that arrive meanwhile wait. */
  async #refresh(): Promise<void> {
    const { registry, logger } = this.#deps;
    this.#holds++;
    try {
      await registry.refresh();
    } catch (error) {
      logger.warn({ err: error }, "the list of queues could not be read");
    }
    this.#listener?.queues();
    this.#release();
  }

  #release(): void {
    this.#holds--;
    while (this.#holds === 0) {
      const notice = this.#held.shift();
      if (notice === undefined) return;
      this.#take(notice);
    }
  }
}
