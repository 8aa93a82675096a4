import type { BackendListener } from "../../../core/backend.js";
import type { Logger } from "../../../model/logger.js";
import type { Client } from "../link/client.js";
import type { Connection } from "../link/connection.js";
import type { DueTimes } from "../queues/due-times.js";
import type { QueueCalls } from "../queues/queue-calls.js";
import { ANNOUNCED, type ListChange, type QueueRegistry, type RegistryListener } from "../queues/queue-registry.js";
import type { ReadyNotices } from "../queues/ready-notices.js";
import type { Keys } from "../scripts/keys.js";
import { MAX_TYPES } from "../scripts/prelude.js";
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
  /** When to look after queues that are not in the list. */
  readonly checks: DueTimes;
  readonly ready: ReadyNotices;
  readonly logger: Logger;
  /** Changes that the log of a queue keeps. */
  readonly logSize: number;
}

/** How long after an announcement, or the creation of a queue that is not in the list, somebody looks after it, ms. */
const CHECK_MS = 1000;

/**
 * Receives the notices of all servers of this store from its channel and calls the listener; reads from the logs what
 * the channel did not bring. After a break in the connection, `resume` reads all state again.
 */
export class Notifier implements LogSource, RegistryListener {
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
    for (const queue of queues) if (!ends.has(queue) && heard.get(queue) !== undefined) this.#noLog(queue);
    await Promise.all(
      [...ends].map(([queue, { epoch, count }]) => this.#follower.follow(queue, epoch, count, heard.get(queue))),
    );
    if (!this.#isResumed) {
      this.#isResumed = true;
      this.#release();
    }
    ready.reset();
    dueTimes.reset(registry.names);
    this.#listener?.queues();
    this.#listener?.due(0);
    await Promise.all(registry.names.map((queue) => this.#tellReady(queue)));
  }

  /** Tells of the jobs that are ready in a queue. Those whose time has come meanwhile are told of by its sweep. */
  async #tellReady(queue: string): Promise<void> {
    const { connection, keys } = this.#deps;
    const types = await connection.call((client) => client.srandmember(keys.readyTypes(queue), MAX_TYPES + 1));
    if (types.length > 0) this.#listener?.ready(queue, types.length > MAX_TYPES ? undefined : types);
  }

  queues(): readonly string[] {
    const { registry } = this.#deps;
    // A notice of a new queue may arrive before the queue is in the list.
    const followed = this.#follower.queues.filter((queue) => !registry.isOver(queue));
    return [...new Set([...registry.logs, ...followed])];
  }

  isOver(queue: string): boolean {
    return this.#deps.registry.isOver(queue);
  }

  entered(queue: string): void {
    this.#deps.checks.forget(queue);
    this.#follower.entered(queue);
  }

  announced(queue: string): void {
    this.lookAfter(queue);
  }

  left(queue: string): void {
    const { checks, dueTimes, ready } = this.#deps;
    checks.forget(queue);
    dueTimes.forget(queue);
    ready.forget(queue);
    this.#follower.left(queue);
  }

  forgotten(queue: string): void {
    this.#deps.calls.forgetPosition(queue);
    this.#follower.forget(queue);
  }

  /** Has somebody look after a queue soon: it may have been left behind, half created or half deleted. */
  lookAfter(queue: string): void {
    this.#listener?.due(this.#deps.checks.add(queue, CHECK_MS));
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
    if (this.isOver(queue)) return heard && { epoch: heard.epoch, entries: [], end: heard.position, isKept: false };
    const after = position?.count ?? 0;
    // Readers must see the changes of this server's own calls, even when their notice has not arrived yet.
    if (heard !== undefined && heard.position >= this.#deps.calls.position(queue)) {
      const entries = this.#follower.tail(queue, position?.epoch ?? heard.epoch, after);
      if (entries !== undefined) return { epoch: heard.epoch, entries, end: heard.position, isKept: true };
    }
    // The end is asked for first, so the entries, read after it, reach at least that far.
    const [ends, entries] = await Promise.all([this.ends([queue]), this.#read(queue, after, count)]);
    const end = ends.get(queue);
    if (end === undefined) {
      this.#noLog(queue);
      return this.isOver(queue) ? this.after(queue, position, count) : undefined;
    }
    return { epoch: end.epoch, entries, end: Math.max(end.count, entries.at(-1)?.last ?? 0), isKept: true };
  }

  /** A log was not found. Of a deleted queue the end is remembered, to tell who has missed something of it. */
  #noLog(queue: string): void {
    this.#deps.registry.noLog(queue);
    if (!this.isOver(queue)) this.#follower.forget(queue);
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
    const { queue, entry, dueInMs, sweeper, listed } = notice;
    const { dueTimes, ready, registry } = this.#deps;
    if (entry !== undefined) this.#follower.take(notice, entry);
    if (sweeper !== undefined) dueTimes.swept(queue, dueInMs, sweeper);
    if (dueInMs !== undefined && !dueTimes.isSelf(sweeper)) this.#listener?.due(dueTimes.add(queue, dueInMs));
    ready.noticed(notice);
    if (listed !== undefined) this.#takeListed(listed, notice.at);
    else if (notice.queuesChanged && registry.has(queue)) this.#listener?.queues();
    // The server that created it may die before it enters it in the list.
    else if (notice.queuesChanged) this.lookAfter(queue);
  }

  #takeListed(change: ListChange, at: number): void {
    if (!this.#deps.registry.take(change, at)) void this.#refresh();
    else if (change.entry?.stamp !== ANNOUNCED) this.#listener?.queues();
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
