import type { BackendListener } from "../../../core/backend.js";
import type { Clock } from "../../../core/clock.js";
import { isUnavailable } from "../../../model/common/errors.js";
import type { Logger } from "../../../model/log/logger.js";
import { type Client, socketOf } from "../link/client.js";
import { type Connection, isDenied } from "../link/connection.js";
import { inflowOf } from "../link/held-socket.js";
import type { CompletedBytes } from "../queues/completed-bytes.js";
import type { DueTimes } from "../queues/due-times.js";
import type { QueueCalls } from "../queues/queue-calls.js";
import { ANNOUNCED, type ListChange, type QueueRegistry, type RegistryListener } from "../queues/queue-registry.js";
import type { ReadyNotices } from "../queues/ready-notices.js";
import type { Keys } from "../scripts/keys.js";
import { BusLinks } from "./bus-links.js";
import { ChannelReading } from "./channel-reading.js";
import { Gate } from "./gate.js";
import { type Notice, readNotice } from "./log-entry.js";
import { LogFollower } from "./log-follower.js";
import { LogReader } from "./log-reader.js";
import type { Masters } from "./masters.js";
import { OwnChanges } from "./own-changes.js";
import { QueueLooks } from "./queue-looks.js";
import { Retries } from "./retries.js";
import { StoredLogs } from "./stored-logs.js";
import { ToldLog } from "./told-log.js";

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
  readonly completed: CompletedBytes;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly masters: Masters;
  /** Random name of this server. */
  readonly self: string;
  /** Changes that the log of a queue keeps. */
  readonly logSize: number;
}

/** Wait before the channel is asked again that did not answer, ms. */
const HEAR_AGAIN_MS = 500;

/** How long after an announcement, or the creation of a queue that is not in the list, somebody looks after it, ms. */
const CHECK_MS = 1000;

/** How often messages of other nodes of a cluster are waited for, and for how long, ms. */
const BUS_TRIES = 5;
const BUS_MS = 50;

/**
 * Receives the notices of all servers of this store from its channel and calls the listener; reads from the logs what
 * the channel did not bring. After a break in the connection, `resume` reads all state again.
 */
export class Notifier implements RegistryListener {
  readonly reader: LogReader;
  readonly told: ToldLog;
  readonly #deps: NotifierDeps;
  readonly #follower: LogFollower;
  readonly #reading: ChannelReading;
  readonly #own: OwnChanges;
  readonly #looks: QueueLooks;
  readonly #links: BusLinks;
  readonly #retries: Retries;
  /** Whether all logs are followed: not before the first `resume`, and not after a break before the next. */
  readonly #whole: Gate;
  #listener: BackendListener | undefined;
  /** Notices that wait, in order, while something is read that they depend on. */
  readonly #held: Notice[] = [];
  /** Number of reads in flight that notices wait for. 1 until the first `resume`, which learns the log positions. */
  #holds = 1;
  #isResumed = false;
  /** How often changes began to be missed, perhaps. */
  #breaks = 0;
  /** The searches that readers wait for; they do not reject. */
  readonly #finding = new Set<Promise<void>>();
  /** The last read of the list of queues. */
  #refreshing: Promise<void> | undefined;

  constructor(deps: NotifierDeps) {
    this.#deps = deps;
    this.#links = new BusLinks(deps);
    this.#retries = new Retries(deps.clock);
    const logs = new StoredLogs({ ...deps, follower: () => this.#follower });
    const read = (queue: string, after: number, count: number) => logs.read(queue, after, count);
    const find = (queues: readonly string[]) => this.#find(queues, logs);
    this.#follower = new LogFollower({
      logSize: deps.logSize,
      read,
      masterOf: (queue) => deps.masters.of(queue),
      deliver: (entry, log) => {
        this.told.tell(this.#listener, entry, log);
        this.#own.heard(entry.queue, entry.last);
      },
      lost: (queue) => {
        deps.logger.warn({ queue }, "some changes were missed for good; watchers look at the jobs themselves");
        this.#own.forget(queue);
        this.#listener?.resync();
      },
      failed: (error) => this.#failed(error),
      interrupted: () => {
        this.#listener?.interrupted();
        this.told.interrupt();
      },
      resumed: () => this.told.resume(),
      over: (log) => this.told.over(log),
    });
    this.#whole = new Gate(deps.clock, {
      closed: () => this.#follower.hold(),
      opened: () => this.#follower.release(),
    });
    this.told = new ToldLog(this.#follower, () => deps.registry.horizon);
    this.#own = new OwnChanges(deps.clock, {
      heard: (queue) => this.#follower.heard(queue)?.heard ?? 0,
      find,
    });
    deps.calls.changed = (queue, position) => this.#own.made(queue, position);
    this.reader = new LogReader({
      follower: this.#follower,
      told: this.told,
      countsUntil: (queue) => deps.registry.countsUntil(queue),
      horizon: () => deps.registry.horizon,
      settled: () => this.#settled(),
      hearAll: (tries) => this.#hearAll(tries),
      find,
      read,
      missing: (queue) => logs.noLog(queue),
    });
    this.#looks = new QueueLooks({ ...deps, follower: this.#follower, logs, listener: () => this.#listener });
    this.#reading = new ChannelReading(deps.clock, () => {
      const socket = socketOf(deps.subscriber);
      return socket === undefined ? undefined : inflowOf(socket);
    });
    this.#break();
    deps.masters.changed = () => this.#follower.remaster();
    // What others do is not heard any more, and what is read of one log alone may be later than that.
    deps.subscriber.on("close", () => {
      this.#reading.resume();
      this.#links.forget();
      this.#break();
    });
    deps.calls.untold = (message) => {
      const notice = readNotice(message);
      // A call that is not remembered does not say whose it is.
      if (notice !== undefined) this.#take(notice.from === "-" ? { ...notice, from: deps.self } : notice);
    };
    deps.subscriber.on("message", (channel: string, message: string) => {
      const notice = channel === deps.keys.channel ? readNotice(message) : undefined;
      if (notice !== undefined) this.#reading.heard(this.#take(notice));
    });
  }

  listen(listener: BackendListener | undefined): void {
    this.#listener = listener;
    if (listener !== undefined) return;
    this.#own.stop();
    this.#retries.stop();
    this.#reading.resume();
  }

  /**
   * Subscribes, reads the list of queues and looks at each: at the start, and after each break. After a break calls are served
   * meanwhile, so it does not wait for the looks: of many queues that takes a while, and some may lie on a node that is away.
   */
  async resume(): Promise<void> {
    const { registry, dueTimes, ready } = this.#deps;
    this.#looks.begin();
    const turn = this.#break();
    await this.#subscribe();
    await this.#links.note();
    await registry.refresh();
    ready.reset();
    dueTimes.keep(new Set(registry.names));
    const queues = this.#queues();
    const isWhole = !this.#isResumed && (await this.#lookOnce(queues));
    if (!this.#isResumed) {
      this.#isResumed = true;
      this.#release();
    }
    this.#listener?.queues();
    if (isWhole) await this.#looked(turn);
    else void this.#looks.all(queues).then((isDone) => (isDone ? this.#looked(turn) : undefined));
  }

  /**
   * Subscribes to the channel, and to one of this server alone, by which scripts know that nobody else hears: they then answer what they
   * would publish. Not in a cluster, where subscribers are at any node. A user without the right to that is told by the channel alone.
   */
  async #subscribe(): Promise<void> {
    const { connection, subscription, keys, calls, self } = this.#deps;
    const own = keys.ownChannel(self);
    try {
      if (!connection.hasNodes) {
        await connection.call((client) => client.pubsub("NUMSUB", own));
        await subscription.call((client) => client.subscribe(keys.channel, own));
        calls.hearsOwn(own);
        return;
      }
    } catch (error) {
      if (!isDenied(error)) throw error;
    }
    calls.hearsOwn(undefined);
    await subscription.call((client) => client.subscribe(keys.channel));
  }

  /** See `LogReaderDeps`. What is found after a break may be later than what was missed: then all is to be looked at again first. */
  async #settled(): Promise<void> {
    for (let turn = -1; turn !== this.#breaks; ) {
      await this.#whole.wait();
      turn = this.#breaks;
      this.#deps.registry.pass();
      await this.#own.settled();
      await Promise.all(this.#finding);
      await this.#follower.catchUp();
    }
  }

  /** Somebody watches here, or one of those does no longer: see `Backend.follow`. */
  watched(isWatched: boolean): void {
    this.#reading.watched(isWatched);
  }

  /** Answers may have been lost, and what came with them. */
  answersLost(): void {
    this.#break();
  }

  /** Resolves to whether messages may have been lost between the nodes of a cluster: then call `resume`. Rejects with BACKEND_UNAVAILABLE. */
  mayHaveMissed(): Promise<boolean> {
    return this.#links.haveBroken();
  }

  /** From now on changes may be missed, until all queues have been looked at again. Returns the number of this break. */
  #break(): number {
    this.#whole.begin();
    return ++this.#breaks;
  }

  /** Looks at these queues at the start. Resolves to false when a node of a cluster is away: the others are served without it. */
  async #lookOnce(queues: readonly string[]): Promise<boolean> {
    try {
      await this.#looks.once(queues);
      return true;
    } catch (error) {
      if (!this.#deps.connection.hasNodes || !isUnavailable(error) || isDenied(error)) throw error;
      this.#deps.logger.warn({ err: error }, "a node of the cluster is away: its queues are served when it is back");
      return false;
    }
  }

  /**
   * All queues have been looked at since this break. What was found may be later than changes of other queues that are on their way:
   * cursors would take those for read. So these are heard first.
   */
  async #looked(turn: number): Promise<void> {
    while (turn === this.#breaks && this.#listener !== undefined) {
      try {
        await this.#hearAll(1);
        if (turn !== this.#breaks) return;
        this.#whole.end();
        this.#listener?.due(0);
        return;
      } catch (error) {
        this.#deps.logger.warn({ err: error }, "the channel does not answer yet; trying again");
        await new Promise<void>((resolve) => this.#deps.clock.setTimer(HEAR_AGAIN_MS, resolve));
      }
    }
  }

  /** The queues whose logs may be read. */
  #queues(): readonly string[] {
    const { registry } = this.#deps;
    // A notice of a new queue may arrive before the queue is in the list.
    const followed = [...this.#follower.logs].filter(({ isOver }) => !isOver).map(({ queue }) => queue);
    return [...new Set([...registry.logs, ...followed])];
  }

  entered(queue: string): void {
    this.#deps.checks.forget(queue);
    this.#follower.entered(queue);
  }

  announced(queue: string): void {
    this.lookAfter(queue);
  }

  left(queue: string): void {
    const { checks, dueTimes, ready, completed } = this.#deps;
    completed.forget(queue);
    checks.forget(queue);
    dueTimes.forget(queue);
    ready.forget(queue);
    this.#follower.left(queue);
  }

  over(queue: string): void {
    this.#follower.over(queue);
  }

  forgotten(queue: string): void {
    this.#own.forget(queue);
    this.#follower.forget(queue);
  }

  /** Has somebody look after a queue soon: it may have been left behind, half created or half deleted. */
  lookAfter(queue: string): void {
    this.#listener?.due(this.#deps.checks.add(queue, CHECK_MS));
  }

  /**
   * Finds changes whose notices did not come. They may be later than changes of other queues that are on their way: nothing counts as
   * complete, and readers wait, until those have come.
   */
  async #find(queues: readonly string[], logs: StoredLogs): Promise<void> {
    if (queues.length === 0) return;
    const found = this.#findNow(queues, logs);
    const finding = found.catch(() => {}).finally(() => this.#finding.delete(finding));
    this.#finding.add(finding);
    await found;
  }

  async #findNow(queues: readonly string[], logs: StoredLogs): Promise<void> {
    this.#follower.hold();
    try {
      await this.#hearAll(1);
      await logs.find(queues);
      await this.#hearAll(1);
    } finally {
      this.#follower.release();
    }
  }

  /** Resolves when what was published before was heard; see `LogReaderDeps`. */
  async #hearAll(tries: number): Promise<boolean> {
    const { connection, subscription, clock } = this.#deps;
    // Its answer comes behind all messages before it, of this node.
    await subscription.call((client) => client.ping());
    await this.#refreshing;
    if (!connection.hasNodes || tries > BUS_TRIES) return false;
    if (tries > 1) await new Promise<void>((resolve) => clock.setTimer(BUS_MS, resolve));
    return true;
  }

  /** Returns whether it has this server look for jobs, or may have so later. */
  #take(notice: Notice): boolean {
    if (this.#holds > 0) {
      this.#held.push(notice);
      return true;
    }
    const { queue, entry, dueInMs, sweeper, from, listed } = notice;
    const { dueTimes, ready, registry, completed } = this.#deps;
    if (entry !== undefined) this.#follower.take(notice, entry);
    if (sweeper !== undefined) dueTimes.swept(queue, dueInMs, sweeper);
    if (dueInMs !== undefined && !dueTimes.isSelf(sweeper)) this.#listener?.due(dueTimes.add(queue, dueInMs));
    const isCall = ready.noticed(notice);
    if (notice.completed !== undefined) {
      completed.note(queue, notice.completed, dueTimes.isSelf(from) || dueTimes.isSelf(sweeper));
    }
    if (listed !== undefined) this.#takeListed(listed, notice.at);
    else if (notice.queuesChanged && registry.has(queue)) this.#listener?.queues(queue);
    // The server that created it may die before it enters it in the list.
    else if (notice.queuesChanged) this.lookAfter(queue);
    return isCall;
  }

  #takeListed(change: ListChange, at: number): void {
    if (!this.#deps.registry.take(change, at)) this.#refreshing = this.#refresh();
    else if (change.entry?.stamp !== ANNOUNCED) this.#listener?.queues(change.name);
  }

  /** Missed changes could not be read. There may be no other notice, nor anybody who reads the log and would have it read up. */
  #failed(error: unknown): void {
    this.#deps.logger.warn({ err: error }, "missed changes could not be read; trying again");
    this.#retries.later("logs", () => void this.#follower.catchUp().catch((again) => this.#failed(again)));
  }

  /** Reads the list of queues, then tells the listener that it changed; notices that arrive meanwhile wait. */
  async #refresh(): Promise<void> {
    const { registry, logger } = this.#deps;
    this.#holds++;
    try {
      await registry.refresh();
    } catch (error) {
      logger.warn({ err: error }, "the list of queues could not be read; trying again");
      // What was missed of it is told once only.
      this.#retries.later("list", () => {
        this.#refreshing = this.#refresh();
      });
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
