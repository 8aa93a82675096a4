import { randomBytes } from "node:crypto";
import {
  type Backend,
  type BackendListener,
  type BackendOptions,
  DEFAULT_BACKEND_OPTIONS,
} from "../../core/backend.js";
import type { Clock } from "../../core/clock.js";
import type { EnqueueResult, NewJob } from "../../core/port/new-jobs.js";
import { type StoreObserver, silentStoreObserver } from "../../core/port/store-observer.js";
import { isUnavailable, TaskQueueError } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import type { Logger } from "../../model/log/logger.js";
import type { IdGenerator } from "../../model/queue/ids.js";
import { DEFAULT_QUEUE, DEFAULT_QUEUE_SETTINGS } from "../../model/queue/queue.js";
import { FEATURES } from "./layout/features.js";
import { checkSchema, checkServer, RedisUnusable } from "./link/check-server.js";
import { createClient, createSubscriber, pingNodes } from "./link/client.js";
import { Connection, isDenied } from "./link/connection.js";
import { readMemory } from "./link/memory.js";
import { NodeIds } from "./link/node-ids.js";
import { Session } from "./link/session.js";
import type { RedisTls } from "./link/tls.js";
import { databaseOf, isPrefix, PREFIX_FORM, parseRedisUrl, whyNotRead } from "./link/url.js";
import { Masters } from "./log/masters.js";
import { Notifier } from "./log/notifier.js";
import { Creates } from "./operations/creates.js";
import { Jobs } from "./operations/jobs.js";
import { Leases } from "./operations/leases.js";
import { Listings } from "./operations/listings.js";
import { Polls } from "./operations/polls.js";
import { QueueAdmin } from "./operations/queue-admin.js";
import { Schedules } from "./operations/schedules.js";
import { Settles } from "./operations/settles.js";
import { Sweeps } from "./operations/sweeps.js";
import { CompletedBytes } from "./queues/completed-bytes.js";
import { DueTimes } from "./queues/due-times.js";
import { checkFeatures } from "./queues/feature-check.js";
import { FiguresTurn } from "./queues/figures-turn.js";
import { createScripts, QueueCalls, text } from "./queues/queue-calls.js";
import { QueueRegistry } from "./queues/queue-registry.js";
import { ReadyNotices } from "./queues/ready-notices.js";
import { RefusedQueues, skipRefusal } from "./queues/refused-queues.js";
import { StoreTimes } from "./queues/store-times.js";
import { readTakenElsewhere, writeTaken } from "./queues/taken-elsewhere.js";
import { createKeys } from "./scripts/keys.js";
import { REDIS_TIME } from "./scripts/script.js";

/** Settings of the Redis backend. */
export interface RedisBackendOptions extends BackendOptions {
  /** URL of Redis; see `parseRedisUrl` for the forms. */
  readonly url: string;
  /** For a URL that begins with `rediss`: whom to trust, and what to show. */
  readonly tls?: RedisTls | undefined;
  /** Prefix of all keys: 1 to 64 letters, digits, and any of . _ : -. Default `gotaskq`. */
  readonly prefix: string;
  /** Changes kept of each queue for watchers that lag behind or resume with a cursor. Default 100,000. */
  readonly changeLogSize: number;
}

/** The default of `changeLogSize`: about 20 MB of a busy queue. */
export const DEFAULT_REDIS_LOG_SIZE = 100_000;

/** The default of `maxCompletedBytes`: 256 MiB. */
export const DEFAULT_REDIS_COMPLETED_BYTES = 256 * 1024 * 1024;

/** Dependencies of the Redis backend. */
export interface RedisBackendDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told how long calls take. Default: nobody. */
  readonly observer?: StoreObserver | undefined;
  /** Lua that returns the time, ms since 1970. Default: the clock of Redis. Tests set another. */
  readonly luaClock?: string | undefined;
  /** Features that this server knows. Default: those of this version. Tests set others. */
  readonly features?: readonly string[] | undefined;
}

/** A backend that keeps jobs in Redis: they survive this process and are shared with other servers. */
export interface RedisBackend extends Backend {
  /** Generates job ids that no other server generates. Usable once the backend is started. */
  readonly ids: IdGenerator;
  /** The node id in these ids; undefined before the start. */
  readonly node: number | undefined;
}

/** How long `start` waits for Redis, ms. */
const START_MS = 5000;

/** Most finished jobs that one call deletes for their bytes. */
const TRIM_PART = 500;

/** Wait before `start` tries again what Redis refused, ms. */
const RETRY_MS = 100;

/**
 * Creates the backend. Every write is a Lua script on one queue, which Redis runs atomically. Throws `RedisUnusable`
 * for a malformed URL or prefix; `start` rejects with it when this Redis cannot be used.
 */
export function createRedisBackend(
  deps: RedisBackendDeps,
  options: Partial<RedisBackendOptions> & Pick<RedisBackendOptions, "url">,
): RedisBackend {
  const { clock, logger, luaClock = REDIS_TIME, features = FEATURES, observer = silentStoreObserver } = deps;
  const { url, tls, prefix = "gotaskq", changeLogSize = DEFAULT_REDIS_LOG_SIZE, ...given } = options;
  const settings = {
    ...DEFAULT_BACKEND_OPTIONS,
    maxCompletedBytes: DEFAULT_REDIS_COMPLETED_BYTES,
    ...given,
    changeLogSize,
  };
  const parsed = parseRedisUrl(url);
  if (parsed === undefined) throw new RedisUnusable(whyNotRead(url));
  if (tls !== undefined && !parsed.tls) throw new RedisUnusable("settings of TLS need a URL that begins with rediss");
  if (!isPrefix(prefix)) throw new RedisUnusable(`the prefix must be ${PREFIX_FORM}`);
  const target = parsed;
  /** Random name of this server, unique among all servers. */
  const self = randomBytes(6).toString("base64url");
  const client = createClient(target, "gotaskq", tls);
  const subscriber = createSubscriber(target, "gotaskq-events", client, tls);
  const connection = new Connection(client, clock, logger, () => void session.look());
  const subscription = new Connection(subscriber, clock, logger);
  const keys = createKeys(prefix, databaseOf(target));
  const registry: QueueRegistry = new QueueRegistry(connection, keys, clock, {
    entered: (queue) => notifier.entered(queue),
    announced: (queue) => notifier.announced(queue),
    left: (queue) => notifier.left(queue),
    over: (queue) => notifier.over(queue),
    forgotten: (queue) => notifier.forgotten(queue),
  });
  const ready = new ReadyNotices(clock, self);
  const dueTimes = new DueTimes(clock, self);
  const checks = new DueTimes(clock, self);
  const refused = new RefusedQueues(clock, logger);
  const scripts = createScripts(luaClock, features);
  const storeTimes = new StoreTimes(clock, () => {
    dueTimes.hurry();
    listener?.due(0);
  });
  const calls = new QueueCalls({
    ...{ connection, keys, clock, observer, ready, dueTimes, storeTimes, settings, scripts, refused, self },
  });
  const needFeatures = (queue: string, needed: readonly string[]) => checkFeatures(connection, keys, queue, needed);
  const creates = new Creates(calls, needFeatures);
  const schedules = new Schedules(calls, needFeatures);
  const polls = new Polls(connection, keys, storeTimes, luaClock);
  const leases = new Leases({
    ...{ calls, refused, polls, clock, nonce: self },
    expired: (jobs) => sweeps.noteExpired(jobs),
  });
  const completed = new CompletedBytes(
    settings.maxCompletedBytes,
    async (queue, keepBytes) => {
      const { rest } = await calls.call("trim", queue, [keepBytes, TRIM_PART]);
      const oldest = text(rest[1]);
      return { bytes: Number(rest[0]), oldest: oldest === "" ? undefined : Number(oldest) };
    },
    () => listener?.due(0),
  );
  const settles = new Settles(calls, completed, settings.maxLostLeases);
  const jobs = new Jobs(calls);
  const listings = new Listings(calls);
  const admin = new QueueAdmin({
    calls,
    registry,
    checkFeatures: needFeatures,
    lookAfter: (queue) => notifier.lookAfter(queue),
    self,
  });
  const notifier: Notifier = new Notifier({
    connection,
    subscriber,
    subscription,
    keys,
    calls,
    registry,
    dueTimes,
    checks,
    ready,
    completed,
    logger,
    clock,
    masters: new Masters(client),
    self,
    logSize: changeLogSize,
  });
  client.on("close", () => notifier.answersLost());
  // So that a server without calls notices, too, when what waits for a time is due sooner or later than it was.
  const looked = (time: number, sentAt: number) => storeTimes.look(time, sentAt);
  const taken = () => writeTaken(listener?.taken?.());
  const renewed = () => lookForData();
  const ids = new NodeIds({ connection, keys, clock, logger, features, taken, looked, renewed }, self);
  const figuresTurn = new FiguresTurn({ connection, keys, clock, self });
  let listener: BackendListener | undefined;
  /** The name of the store that was found last. Another one has other data. */
  let store: string | undefined;
  const sweeps: Sweeps = new Sweeps({
    ...{ calls, registry, admin, dueTimes, checks, refused, ready, completed, self },
    maxLostLeases: settings.maxLostLeases,
    listener: () => listener,
  });
  const session = new Session({
    clock,
    logger,
    url,
    client,
    subscriber,
    connection,
    subscription,
    async goOn() {
      const found = await checkSchema(connection, keys);
      await ids.renew();
      await ensureDefaultQueue();
      await notifier.resume();
      // Only then: a queue that somebody deleted must not come back because a connection broke.
      if (found !== store) listener?.emptied();
      store = found;
    },
    async beat() {
      pingNodes(client);
      // A script that may write, though it does not: Redis refuses it as it refuses any write.
      const [found] = await Promise.all([checkSchema(connection, keys), subscription.call((each) => each.ping())]);
      if (found !== store) await lookForData();
      // As after a broken connection; not waited for, as it may take a while.
      if (await notifier.mayHaveMissed()) void session.resume();
    },
    available(isAvailable) {
      listener?.available(isAvailable);
      if (isAvailable) listener?.resync();
    },
    disconnected: () => observer.disconnected(),
  });

  /** Checks that Redis still has its data: it can lose them without a broken connection (FLUSHALL, a restore). */
  async function lookForData(): Promise<void> {
    if (!session.isReady) return;
    const hasQueues = (await connection.call((each) => each.exists(keys.queues))) === 1;
    if (hasQueues && (await checkSchema(connection, keys)) === store) return;
    logger.error({}, "Redis has lost what was in it: the queues are made anew");
    await session.resume();
  }

  function enqueue(items: readonly NewJob[]): Promise<EnqueueResult[]> {
    return creates.enqueue(items).catch((error) => enqueueAgain(items, error));
  }

  /** Creates jobs again when the first try failed as the queue did not exist, which should. */
  async function enqueueAgain(items: readonly NewJob[], error: unknown): Promise<EnqueueResult[]> {
    const isMissing = error instanceof TaskQueueError && error.reason === "QUEUE_NOT_FOUND";
    const queue = isMissing ? (error.metadata.queue ?? "") : "";
    const isDefault = queue === DEFAULT_QUEUE;
    if (!isDefault && !registry.has(queue)) throw error;
    // It was deleted just now, or Redis has lost its data.
    await lookForData();
    if (!isDefault) throw error;
    await ensureDefaultQueue();
    return creates.enqueue(items);
  }

  async function ensureDefaultQueue(): Promise<void> {
    const [found] = await Promise.all([admin.show([DEFAULT_QUEUE]).catch(skipRefusal), registry.refresh()]);
    // Undefined: this server is too old for the queue, though not for the others.
    if (found === undefined || (found.length > 0 && registry.has(DEFAULT_QUEUE))) return;
    await admin.create(DEFAULT_QUEUE, DEFAULT_QUEUE_SETTINGS).catch((error) => {
      if (error?.reason !== "QUEUE_EXISTS") throw error;
    });
  }

  let isStopped = false;

  async function start(given: BackendListener): Promise<void> {
    const end = clock.monotonic() + START_MS;
    for (;;) {
      try {
        await session.connect(end);
        store = await checkServer(connection, keys, logger);
        await ids.start();
        await ensureDefaultQueue();
        listener = given;
        notifier.listen(given);
        ready.tell = (queue, types) => given.ready(queue, types);
        // Now it can be told what the workers here take.
        await ids.renew();
        await notifier.resume();
        session.started();
        return;
      } catch (error) {
        // Redis may have gone away again in between.
        if (isUnavailable(error) && !isDenied(error) && clock.monotonic() < end) {
          await new Promise<void>((resolve) => clock.setTimer(RETRY_MS, resolve));
          continue;
        }
        await stop();
        if (!isUnavailable(error)) throw error;
        const { cause, message } = error as TaskQueueError;
        throw session.unusable(cause instanceof Error ? cause.message : message);
      }
    }
  }

  async function stop(): Promise<void> {
    if (isStopped) return;
    isStopped = true;
    await Promise.all([ids.stop(), figuresTurn.stop()]);
    listener = undefined;
    notifier.listen(undefined);
    ready.stop();
    session.stop();
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
      const answer = await calls.call("show", DEFAULT_QUEUE, []).catch(skipRefusal);
      if (answer !== undefined) return answer.now;
      const [seconds, micros] = (await connection.call((each) => each.time())).map(Number) as [number, number];
      return seconds * 1000 + Math.floor(micros / 1000);
    },
    enqueue,
    lease: (request) => leases.lease(request),
    complete: (items) => settles.complete(items),
    fail: (items) => settles.fail(items),
    release: (items) => settles.release(items),
    extend: (items) => settles.extend(items),
    cancel: (id) => jobs.cancel(id),
    run: (id) => jobs.run(id),
    update: (id, changes) => jobs.update(id, changes),
    get: (wanted, view, maxBytes) => jobs.get(wanted, view, maxBytes),
    list: (query) => listings.list(query),
    listDead: (query) => listings.listDead(query),
    listKeys: (query) => listings.listKeys(query),
    listDeadKeys: (query) => listings.listDeadKeys(query),
    count: (query) => listings.count(query),
    groupDead: (query) => listings.groupDead(query),
    act: (action, wanted, match) => jobs.act(action, wanted, match),
    replay: (wanted) => jobs.replay(wanted),
    remove: (wanted, statuses) => jobs.remove(wanted, statuses),
    createQueue: (name, given) => admin.create(name, given),
    queues: (names, of) => (names === undefined || of === "part" ? admin.showKnown(names) : admin.show(names)),
    queueNames: async () => registry.list,
    countReady: async (queue, types) => (await calls.call("countReady", queue, types)).rest.map(Number),
    takenElsewhere: () => readTakenElsewhere(connection, keys, self),
    claimFigures: () => figuresTurn.claim(),
    sizes: async () => ({ ...(await readMemory(connection)), pending: calls.pending }),
    updateQueue: (name, given) => admin.update(name, given),
    setPaused: (name, paused) => admin.setPaused(name, paused),
    deleteQueue: (name, force) => admin.delete(name, force),
    purge: (name, limit = LIMITS.maxDepth) => admin.purge(name, limit),
    createSchedule: (created) => schedules.create(created),
    getSchedule: (queue, name) => schedules.get(queue, name),
    listSchedules: (query) => schedules.list(query),
    updateSchedule: (change) => schedules.update(change),
    deleteSchedule: (queue, name) => schedules.delete(queue, name),
    fireSchedule: (firing) => creates.fire(firing),
    tick: () => sweeps.tick(),
    head: () => notifier.reader.head(),
    read: (cursor, limit, filter) => notifier.reader.read(cursor, limit, filter),
    told: (queues) => notifier.told.cursor(queues),
    follow({ of }, isWatched) {
      // Figures are read now and then anyway.
      if (of !== "counts") notifier.watched(isWatched);
    },
  };
}
