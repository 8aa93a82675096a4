import { randomBytes } from "node:crypto";
import {
  type Backend,
  type BackendListener,
  type BackendOptions,
  DEFAULT_BACKEND_OPTIONS,
} from "../../core/backend.js";
import type { Clock } from "../../core/clock.js";
import type { IdGenerator } from "../../core/ids.js";
import { LIMITS } from "../../core/limits.js";
import type { Logger } from "../../core/logger.js";
import { DEFAULT_QUEUE, DEFAULT_QUEUE_SETTINGS } from "../../core/queue.js";
import { checkServer, RedisUnusable } from "./check-server.js";
import { createClient } from "./client.js";
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
  const subscriber = createClient(target, "gotaskq-events");
  const connection = new Connection(client, clock, logger);
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
    nonce: `${self}.`,
  });
  const jobs = new Jobs({ calls, locations, queues });
  const admin = new QueueAdmin(calls, directory);
  const events = new Events({
    connection,
    subscriber,
    keys,
    calls,
    directory,
    dueTimes,
    ready,
    logger,
    logSize: changeLogSize,
  });
  const ids = new NodeIds(connection, keys, clock, logger, self);
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

  /** Both connections are there again: looks at everything anew. */
  async function resume(): Promise<void> {
    if (!isStarted || isStopped || client.status !== "ready" || subscriber.status !== "ready") return;
    try {
      await ids.renew();
      await ensureDefaultQueue();
      await events.resume();
      setAvailable(true);
      listener?.resync();
    } catch (error) {
      if (isStopped) return;
      logger.warn({ err: error }, "could not go on after a break in the connection to Redis; trying again");
      clock.setTimer(500, () => void resume());
    }
  }

  async function ensureDefaultQueue(): Promise<void> {
    await directory.refresh();
    if (directory.has(DEFAULT_QUEUE)) return;
    await admin.create(DEFAULT_QUEUE, DEFAULT_QUEUE_SETTINGS).catch((error) => {
      if (error?.reason !== "QUEUE_EXISTS") throw error;
    });
  }

  /** Waits for both connections. */
  async function connect(): Promise<void> {
    const end = clock.monotonic() + START_MS;
    for (const each of [client, subscriber]) {
      each.connect().catch((error: Error) => {
        trouble = error.message;
      });
    }
    while (client.status !== "ready" || subscriber.status !== "ready") {
      const isHopeless = /WRONGPASS|NOAUTH|NOPERM|invalid DB index|DB index is out of range|ENOTFOUND|NOPROTO/.test(
        trouble,
      );
      if (isHopeless || clock.monotonic() >= end) {
        throw new RedisUnusable(`cannot use Redis at ${hidePassword(url)}: ${trouble || "it does not answer"}`);
      }
      await new Promise<void>((resolve) => clock.setTimer(20, resolve));
    }
  }

  async function start(given: BackendListener): Promise<void> {
    try {
      await connect();
      await checkServer(connection, keys, logger);
      await ids.start();
      await ensureDefaultQueue();
      listener = given;
      events.listen(given);
      await events.resume();
    } catch (error) {
      await stop();
      throw error;
    }
    isStarted = isAvailable = true;
  }

  async function stop(): Promise<void> {
    if (isStopped) return;
    await ids.stop();
    isStopped = true;
    listener = undefined;
    events.listen(undefined);
    connection.stop();
    subscriber.disconnect();
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
    enqueue: (items) => creates.enqueue(items),
    lease: (request) => leases.lease(request),
    complete: (items) => leases.complete(items),
    fail: (items) => leases.fail(items),
    release: (items) => leases.release(items),
    extend: (items) => leases.extend(items),
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
