import { randomBytes } from "node:crypto";
import {
  type Backend,
  type BackendListener,
  type BackendOptions,
  DEFAULT_BACKEND_OPTIONS,
  type EnqueueResult,
  type LeaseRef,
  type NewJob,
} from "../../core/backend.js";
import type { Clock } from "../../core/clock.js";
import { isUnavailable, TaskQueueError } from "../../core/errors.js";
import type { IdGenerator } from "../../core/ids.js";
import { LIMITS } from "../../core/limits.js";
import type { Logger } from "../../core/logger.js";
import { DEFAULT_QUEUE, DEFAULT_QUEUE_SETTINGS } from "../../core/queue.js";
import { checkSchema, checkServer, RedisUnusable } from "./check-server.js";
import { createClient, createSubscriber } from "./client.js";
import { Connection } from "./connection.js";
import { Creates } from "./creates.js";
import { Directory } from "./directory.js";
import { DueTimes } from "./due-times.js";
import { Events } from "./events.js";
import { Jobs } from "./jobs.js";
import { createKeys } from "./keys.js";
import { Leases } from "./leases.js";
import { Locations } from "./locations.js";
import { readHead, readLogs } from "./log-reader.js";
import { NodeIds } from "./node-ids.js";
import { QueueAdmin } from "./queue-admin.js";
import { QueueCalls } from "./queue-calls.js";
import { ReadyQueues } from "./ready-queues.js";
import { REDIS_TIME } from "./script.js";
import { Sweeps } from "./sweeps.js";
import { hidePassword, parseRedisUrl, URL_FORMS } from "./url.js";

/** Settings of the Redis backend. */
export interface RedisBackendOptions extends BackendOptions {
  /** Where Redis is; url.ts has the forms. */
  readonly url: string;
  /** What all keys begin with. Default `gotaskq`. */
  readonly prefix: string;
  /** Changes kept of each queue for watchers that lag behind or come back. Default 100,000. */
  readonly changeLogSize: number;
}

/** The default of `changeLogSize`: about 20 MB of a busy queue. */
export const DEFAULT_REDIS_LOG_SIZE = 100_000;

/** What the Redis backend needs from outside. */
export interface RedisBackendDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Lua that answers the time in ms since 1970. Default: the clock of Redis. */
  readonly luaClock?: string | undefined;
}

/** Keeps jobs in Redis: they survive this process, and other servers share them. */
export interface RedisBackend extends Backend {
  /** Makes job ids that no other server makes. Usable once it is started. */
  readonly ids: IdGenerator;
  /** The node id in these, once it is started. */
  readonly node: number | undefined;
}

/** How long Redis may take to be there at the start, ms. */
const START_MS = 5000;

/** Least time between two log lines about the same trouble, ms. */
const COMPLAINT_MS = 5000;

/** Wait before it is tried again to go on after a break, ms. */
const RESUME_MS = 500;

/** Makes the backend. `start` rejects with `RedisUnusable` when this Redis cannot be used. */
export function createRedisBackend(
  deps: RedisBackendDeps,
  options: Partial<RedisBackendOptions> & Pick<RedisBackendOptions, "url">,
): RedisBackend {
  const { clock, logger, luaClock = REDIS_TIME } = deps;
  const { url, prefix = "gotaskq", changeLogSize = DEFAULT_REDIS_LOG_SIZE, ...given } = options;
  const settings = { ...DEFAULT_BACKEND_OPTIONS, ...given, changeLogSize };
  const parsed = parseRedisUrl(url);
  if (parsed === undefined) throw new RedisUnusable(`is none of ${URL_FORMS}`);
  const target = parsed;
  /** Names this server among all. */
  const self = randomBytes(6).toString("base64url");
  const client = createClient(target, "gotaskq");
  const subscriber = createSubscriber(target, "gotaskq-events", client);
  const connection = new Connection(client, clock, logger);
  const subscription = new Connection(subscriber, clock, logger);
  const keys = createKeys(prefix);
  const directory = new Directory(connection, keys);
  const locations = new Locations();
  const ready = new ReadyQueues();
  const dueTimes = new DueTimes(clock, self);
  const calls = new QueueCalls({ connection, keys, ready, dueTimes, settings, luaClock });
  const creates = new Creates(calls, locations);
  const queues = () => directory.names;
  const leases = new Leases({
    calls,
    locations,
    ready,
    queues,
    isQueue: (name) => directory.has(name),
    nonce: self,
  });
  const jobs = new Jobs({ calls, locations, queues, refreshQueues: () => directory.refresh() });
  const admin = new QueueAdmin(calls, directory);
  const events = new Events({
    connection,
    subscriber,
    subscription,
    keys,
    calls,
    directory,
    dueTimes,
    ready,
    logger,
    logSize: changeLogSize,
  });
  const ids = new NodeIds({ connection, keys, clock, logger, renewed: () => lookForData() }, self);
  let listener: BackendListener | undefined;
  const sweeps = new Sweeps({ calls, directory, admin, dueTimes, listener: () => listener, self });
  let isStarted = false;
  let isStopped = false;
  let isAvailable = false;
  let complainedAt = Number.NEGATIVE_INFINITY;
  let trouble = "";

  for (const each of [client, subscriber]) {
    each.on("error", (error: Error & { lastNodeError?: Error }) => {
      trouble = (error.lastNodeError ?? error).message || String(error);
      const now = clock.monotonic();
      if (!isStarted || now - complainedAt < COMPLAINT_MS) return;
      complainedAt = now;
      logger.warn({ err: error }, "trouble with the connection to Redis");
    });
    each.on("close", () => setAvailable(false));
    each.on("ready", () => void resume());
  }

  function setAvailable(value: boolean): void {
    if (!isStarted || isStopped || value === isAvailable) return;
    isAvailable = value;
    if (value) logger.info({}, "Redis is there");
    else logger.warn({}, "Redis is away: creates are refused until it is back");
    listener?.available(value);
  }

  const isReady = () => isStarted && !isStopped && connection.isReady && subscription.isReady;
  let resuming: Promise<void> | undefined;
  let resumeAgain = false;

  /** Looks at everything anew, once both connections are there. A call while it does so makes it begin again. */
  function resume(): Promise<void> {
    resumeAgain = true;
    resuming ??= goOn().finally(() => {
      resuming = undefined;
    });
    return resuming;
  }

  async function goOn(): Promise<void> {
    while (resumeAgain && isReady()) {
      resumeAgain = false;
      try {
        await checkSchema(connection, keys);
        await ids.renew();
        await ensureDefaultQueue();
        await events.resume();
        if (resumeAgain || !isReady()) continue;
        setAvailable(true);
        listener?.resync();
      } catch (error) {
        if (isStopped) return;
        logger.warn({ err: error }, "could not go on after a break in the connection to Redis; trying again");
        await new Promise<void>((resolve) => clock.setTimer(RESUME_MS, resolve));
        resumeAgain = true;
      }
    }
  }

  /** Redis may have lost its data under us (FLUSHALL, a restore): then there is no connection that breaks. */
  async function lookForData(): Promise<void> {
    if (!isReady() || (await connection.call((each) => each.exists(keys.schema, keys.queues))) === 2) return;
    logger.error({}, "Redis has lost what was in it: the queues are made anew");
    await resume();
    // The engine makes the queues it is to see to.
    if (isAvailable) listener?.available(true);
  }

  async function enqueue(items: readonly NewJob[]): Promise<EnqueueResult[]> {
    try {
      return await creates.enqueue(items);
    } catch (error) {
      const isMissing = error instanceof TaskQueueError && error.reason === "QUEUE_NOT_FOUND";
      const queue = isMissing ? (error.metadata.queue ?? "") : "";
      const isDefault = queue === DEFAULT_QUEUE;
      if (!isDefault && !directory.has(queue)) throw error;
      // A queue that should be there is not: somebody deleted it this moment, or Redis has lost it.
      await lookForData();
      if (!isDefault) throw error;
      await ensureDefaultQueue();
      return creates.enqueue(items);
    }
  }

  async function ensureDefaultQueue(): Promise<void> {
    const [[queue]] = await Promise.all([admin.show([DEFAULT_QUEUE]), directory.refresh()]);
    if (queue !== undefined && directory.has(DEFAULT_QUEUE)) return;
    await admin.create(DEFAULT_QUEUE, DEFAULT_QUEUE_SETTINGS).catch((error) => {
      if (error?.reason !== "QUEUE_EXISTS") throw error;
    });
  }

  function unusable(why = trouble): RedisUnusable {
    return new RedisUnusable(`cannot use Redis at ${hidePassword(url)}: ${why || "it does not answer"}`);
  }

  /** Waits for both connections. */
  async function connect(end: number): Promise<void> {
    for (const each of [client, subscriber]) {
      if (each.status !== "wait") continue;
      each.connect().catch((error: Error) => {
        trouble = error.message;
      });
    }
    for (;;) {
      const isReady = connection.isReady && subscription.isReady;
      // A connection whose database does not exist becomes ready all the same, on database 0.
      const isHopeless = isReady
        ? /DB index/.test(trouble)
        : /WRONGPASS|NOAUTH|NOPERM|DB index|ENOTFOUND|NOPROTO/.test(trouble);
      if (isHopeless || (!isReady && clock.monotonic() >= end)) {
        throw unusable();
      }
      if (isReady) return;
      await new Promise<void>((resolve) => clock.setTimer(20, resolve));
    }
  }

  async function start(given: BackendListener): Promise<void> {
    const end = clock.monotonic() + START_MS;
    for (;;) {
      try {
        await connect(end);
        await checkServer(connection, keys, logger);
        await ids.start();
        await ensureDefaultQueue();
        listener = given;
        events.listen(given);
        await events.resume();
        isStarted = isAvailable = true;
        return;
      } catch (error) {
        // It may have gone away again in between.
        if (isUnavailable(error) && clock.monotonic() < end) continue;
        await stop();
        if (!isUnavailable(error)) throw error;
        const { cause, message } = error as TaskQueueError;
        throw unusable(cause instanceof Error ? cause.message : message);
      }
    }
  }

  async function stop(): Promise<void> {
    if (isStopped) return;
    await ids.stop();
    isStopped = true;
    listener = undefined;
    events.listen(undefined);
    connection.stop();
    subscription.stop();
  }

  /** Writes with tokens. Another server may have made a queue this moment, and given the lease of a job in it. */
  async function inKnownQueues<T>(items: readonly LeaseRef[], write: () => Promise<T>): Promise<T> {
    const isKnown = ({ token }: LeaseRef) => directory.has(token.slice(token.lastIndexOf("@") + 1));
    if (!items.every(isKnown)) await directory.refresh();
    return write();
  }

  return {
    kind: target.kind === "cluster" ? "redis-cluster" : "redis",
    durable: true,
    ids,
    get node() {
      return ids.node;
    },
    start,
    stop,
    async now() {
      const { now } = await calls.call("show", DEFAULT_QUEUE, []);
      return now;
    },
    enqueue,
    lease: (request) => leases.lease(request),
    complete: (items) => inKnownQueues(items, () => leases.complete(items)),
    fail: (items) => inKnownQueues(items, () => leases.fail(items)),
    release: (items) => inKnownQueues(items, () => leases.release(items)),
    extend: (items) => inKnownQueues(items, () => leases.extend(items)),
    cancel: (id) => jobs.cancel(id),
    get: (wanted, queue) => jobs.get(wanted, queue),
    list: (query) => jobs.list(query),
    listDead: (query) => jobs.listDead(query),
    replay: (wanted) => jobs.replay(wanted),
    remove: (wanted, statuses) => jobs.remove(wanted, statuses),
    createQueue: (name, given) => admin.create(name, given),
    queues: (names) => admin.show(names ?? directory.names),
    queueNames: () => directory.refresh(),
    updateQueue: (name, given) => admin.update(name, given),
    setPaused: (name, paused) => admin.setPaused(name, paused),
    deleteQueue: (name, force) => admin.delete(name, force),
    purge: (name, limit = LIMITS.maxDepth) => admin.purge(name, limit),
    tick: () => sweeps.tick(),
    head: () => readHead(events),
    read: (cursor, limit, filter) => readLogs(events, cursor, limit, filter),
  };
}
