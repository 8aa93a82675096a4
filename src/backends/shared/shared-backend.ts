import type { Backend, BackendListener, QueueName } from "../../core/backend.js";
import type { Clock } from "../../core/clock.js";
import type { Lease, LeaseRequest } from "../../core/port/leases.js";
import { type StoreObserver, silentStoreObserver } from "../../core/port/store-observer.js";
import { placeOfQueue } from "../../core/stores/place-of-queue.js";
import { backendUnavailable } from "../../model/common/errors.js";
import { type Job, jobBytes } from "../../model/job/job.js";
import type { JobView } from "../../model/job/job-filter.js";
import type { Logger } from "../../model/log/logger.js";
import { createIdGenerator, type IdGenerator } from "../../model/queue/ids.js";
import { readPage, type WrittenPage } from "./codec/changes.js";
import { readJob, type WrittenJob } from "./codec/jobs.js";
import { readLease, type WrittenLease, writeRequest } from "./codec/leases.js";
import { type Notice, VERSION, type Welcome } from "./codec/messages.js";
import { bytesOfArgs, type Method, readResult, writeArgs } from "./codec/operations.js";
import { Following } from "./link/following.js";
import { COMPLETIONS, CREATES, EXTENSIONS, FAILURES, RELEASES } from "./link/gathered.js";
import { Link } from "./link/link.js";
import { ToldChanges } from "./link/told-changes.js";

/** How long `start` waits for the store, ms. */
const START_MS = 10_000;

/** Dependencies of a shared backend. */
export interface SharedBackendDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told how long calls take. Default: nobody. */
  readonly observer?: StoreObserver | undefined;
}

/** Settings of a shared backend. */
export interface SharedBackendOptions {
  /** Where the store listens: see `createSharedStore`. */
  readonly path: string;
}

/** A backend whose jobs another process of this machine keeps, for it and for other servers. */
export interface SharedBackend extends Backend {
  /** Generates job ids that no other server of the store generates. Usable once the backend is started. */
  readonly ids: IdGenerator;
  /** The node id in these ids; undefined before the start. */
  readonly node: number | undefined;
}

/**
 * Creates a backend on the store of another process. `start` rejects with `SharedStoreUnusable` when that cannot be reached.
 *
 * While the connection is broken, or nothing is answered, all calls fail with BACKEND_UNAVAILABLE at once, those too that were not
 * answered yet: whether these took effect is unknown. It is made anew by itself. Leases that come when their caller was told that
 * the call failed are given back.
 */
export function connectSharedStore(deps: SharedBackendDeps, { path }: SharedBackendOptions): SharedBackend {
  const { clock, logger, observer = silentStoreObserver } = deps;
  let listener: BackendListener | undefined;
  /** What the store said last. */
  let welcome: Welcome | undefined;
  let ids: IdGenerator | undefined;
  let queues: readonly QueueName[] = [];
  /** Whether the store itself can do what it is asked, a file for instance be written. */
  let isAvailable = true;
  const following = new Following();
  const told = new ToldChanges();
  const link = new Link({ clock, logger, observer }, path, {
    hello: () => ({ version: VERSION, taken: listener?.taken?.() }),
    taken: () => listener?.taken?.(),
    welcome: welcomed,
    notice,
    heard(isHeard) {
      if (isHeard) logger.info({}, "the process that keeps the jobs answers again");
      else logger.warn({}, "the process that keeps the jobs does not answer: calls are refused until it does");
      if (isAvailable) listener?.available(isHeard);
      if (isHeard) listener?.resync();
    },
    lost() {
      logger.warn({}, "the process that keeps the jobs is away: calls are refused until it is back");
      told.interrupt();
      listener?.interrupted();
      if (isAvailable) listener?.available(false);
    },
  });

  function welcomed(given: Welcome): void {
    const before = welcome;
    welcome = given;
    ids = createIdGenerator(clock, given.node, given.after);
    queues = given.queues;
    isAvailable = given.isAvailable;
    if (following.all.length > 0) link.tell("follow", [following.all]);
    if (before === undefined) {
      if (!isAvailable) listener?.available(false);
      return;
    }
    logger.info({}, "the process that keeps the jobs is there");
    if (before.boot !== given.boot && !given.durable) listener?.emptied();
    listener?.queues();
    if (isAvailable) listener?.available(true);
    listener?.resync();
  }

  function notice(given: Notice): void {
    switch (given[1]) {
      case "ready":
        listener?.ready(given[2], given[3] ?? undefined);
        return;
      case "due":
        listener?.due(given[2]);
        return;
      case "changes":
        listener?.changes(told.all(given));
        return;
      case "concerns":
        listener?.changes(told.one(given));
        return;
      case "told":
        told.until(given);
        return;
      case "counts":
        for (const queue of given[2]) listener?.counts?.(queue);
        return;
      case "queue":
        changeQueue(given[2], given[3]);
        return;
      case "available":
        changeAvailable(given[2]);
        return;
      case "missed":
        told.interrupt();
        listener?.interrupted();
        changeAvailable(given[2]);
        listener?.resync();
        return;
      case "queues":
        queues = given[2];
        listener?.queues();
        for (const { name } of queues) listener?.ready(name);
    }
  }

  function changeAvailable(given: boolean): void {
    if (given === isAvailable) return;
    isAvailable = given;
    listener?.available(given);
  }

  function changeQueue(name: string, weight: number | null): void {
    const place = placeOfQueue(queues, name);
    const isKnown = queues[place]?.name === name;
    const changed = weight === null ? [] : [{ name, weight }];
    queues = [...queues.slice(0, place), ...changed, ...queues.slice(place + (isKnown ? 1 : 0))];
    listener?.queues(name);
    // Who is told of several things at once may take a queue for gone that was deleted and made anew, and forget what is ready there.
    if (weight !== null && !isKnown) setImmediate(() => listener?.ready(name));
  }

  /** Makes an operation that travels by itself. */
  function operation<M extends Method>(method: M): Backend[M] {
    const reading = { read: (answer: unknown) => readResult(method, answer) };
    const run = (...args: Parameters<Backend[M]>) =>
      link.call(method, () => writeArgs(method, args), reading, bytesOfArgs(method, args));
    return run as unknown as Backend[M];
  }

  function lease(request: LeaseRequest): Promise<readonly Lease[]> {
    const sentAt = clock.monotonic();
    const written = writeRequest(request);
    type Answer = readonly [leases: readonly WrittenLease[], emptied: readonly string[]];
    return link.call("lease", () => written, {
      read([leases, emptied]: Answer) {
        for (const queue of emptied) request.emptied?.(queue);
        const passedMs = clock.monotonic() - sentAt;
        return leases.map((each) => aged(readLease(each), passedMs));
      },
      // A poll that names itself gets its leases when it is repeated.
      late([leases]: Answer) {
        if (request.requestId !== undefined || leases.length === 0) return;
        const refs = leases.map(([job, token]) => ({ jobId: job[0], token }));
        link.gather(RELEASES, refs).catch(() => undefined);
      },
    });
  }

  async function get(
    wanted: readonly string[],
    view?: JobView,
    maxBytes = Number.POSITIVE_INFINITY,
  ): Promise<(Job | undefined)[]> {
    const jobs: (Job | undefined)[] = [];
    let bytes = 0;
    const read = (part: readonly (WrittenJob | null)[]) => part.map((job) => (job === null ? undefined : readJob(job)));
    // An answer has so many bytes and no more, but one job at least.
    do {
      const args = () => [wanted.slice(jobs.length), view, maxBytes - bytes];
      const part = await link.call("get", args, { read });
      jobs.push(...part);
      for (const job of part) if (job !== undefined) bytes += jobBytes(job);
    } while (jobs.length < wanted.length && bytes < maxBytes);
    return jobs;
  }

  /** Where the page ends in what was told here is known only as the answer comes. */
  const read: Backend["read"] = (...args) =>
    link.call("read", () => writeArgs("read", args), { read: (page: WrittenPage) => told.page(readPage(page)) });

  return {
    get kind() {
      return welcome?.kind ?? "shared";
    },
    get durable() {
      return welcome?.durable ?? false;
    },
    ids: {
      next() {
        if (ids === undefined) throw backendUnavailable("the process that keeps the jobs is not reached yet");
        return ids.next();
      },
    },
    get node() {
      return welcome?.node;
    },
    async start(given) {
      listener = given;
      await link.start(START_MS);
    },
    async stop() {
      listener = undefined;
      await link.stop();
    },
    now: operation("now"),
    enqueue: (jobs) => link.gather(CREATES, jobs),
    lease,
    complete: (items) => link.gather(COMPLETIONS, items),
    fail: (items) => link.gather(FAILURES, items),
    release: (items) => link.gather(RELEASES, items),
    extend: (items) => link.gather(EXTENSIONS, items),
    cancel: operation("cancel"),
    run: operation("run"),
    update: operation("update"),
    get,
    list: operation("list"),
    listDead: operation("listDead"),
    listKeys: operation("listKeys"),
    listDeadKeys: operation("listDeadKeys"),
    count: operation("count"),
    groupDead: operation("groupDead"),
    act: operation("act"),
    replay: operation("replay"),
    remove: operation("remove"),
    createQueue: operation("createQueue"),
    queues: operation("queues"),
    queueNames: async () => queues,
    countReady: operation("countReady"),
    takenElsewhere: () => link.call("takenElsewhere", () => null, { read: (taken: never) => taken ?? undefined }),
    claimFigures: () => link.call("claimFigures", () => null, { read: (isOurs: boolean) => isOurs }),
    sizes: async () => ({ ...(await operation("sizes")()), pending: link.pending }),
    updateQueue: operation("updateQueue"),
    setPaused: operation("setPaused"),
    deleteQueue: operation("deleteQueue"),
    purge: operation("purge"),
    createSchedule: operation("createSchedule"),
    getSchedule: operation("getSchedule"),
    listSchedules: operation("listSchedules"),
    updateSchedule: operation("updateSchedule"),
    deleteSchedule: operation("deleteSchedule"),
    fireSchedule: operation("fireSchedule"),
    tick: operation("tick"),
    head: operation("head"),
    read,
    told: () => told.cursor,
    follow(followed, isWatched) {
      const wasOnLog = following.isOnLog;
      const written = following.set(followed, isWatched);
      if (!wasOnLog || !following.isOnLog) told.interrupt();
      // A watch of a job reads that in a call that is sent after this: creates of others go on to gather.
      link.tell("follow", [[written]], followed.of === "job");
    },
  };
}

/** A lease so many ms after its call: it began no sooner, so what is left of it is rather told too short. */
function aged(lease: Lease, ms: number): Lease {
  return { ...lease, expiresInMs: Math.max(0, Math.floor(lease.expiresInMs - ms)) };
}
