import type { Backend } from "../../../core/backend.js";
import type { Lease } from "../../../core/port/leases.js";
import type { JobStore } from "../job-store.js";
import * as admin from "./admin.js";
import { enqueue } from "./enqueue.js";
import * as jobs from "./jobs.js";
import { extend, lease, tick } from "./lease.js";
import { count, groupDead, list, listDead, listDeadKeys, listKeys } from "./listing.js";
import * as schedules from "./schedules.js";
import { complete, fail, release } from "./settle.js";

/** Runs an operation on a store and answers what it returns or throws. */
export type Run = <T>(operation: () => T) => Promise<T>;

/** How the kinds of operations are run. */
export interface Runners {
  /** May change something: `JobStore.announce` has to follow. */
  readonly change: Run;
  /** Hands out jobs, and may change something else too. */
  readonly hand: (operation: () => Lease[]) => Promise<Lease[]>;
  /** Only reads. */
  readonly read: Run;
}

/** The operations of a backend on a `JobStore`. Each runs to its end without an await inside, so each is atomic. */
export type Operations = Omit<Backend, "kind" | "durable" | "start" | "stop">;

/** The operations on a store, run as the runners do. */
export function operationsOf(store: JobStore, { change, hand, read }: Runners): Operations {
  return {
    now: async () => store.clock.now(),
    enqueue: (given) => change(() => enqueue(store, given)),
    lease: (request) => hand(() => lease(store, request)),
    complete: (items) => change(() => complete(store, items)),
    fail: (items) => change(() => fail(store, items)),
    release: (items) => change(() => release(store, items)),
    extend: (items) => change(() => extend(store, items)),
    cancel: (id) => change(() => jobs.cancel(store, id)),
    run: (id) => change(() => jobs.run(store, id)),
    update: (id, changes) => change(() => jobs.update(store, id, changes)),
    // All are here already: the caller takes as many as it wants.
    get: (ids, view) => read(() => jobs.get(store, ids, view)),
    list: (query) => read(() => list(store, query)),
    listDead: (query) => read(() => listDead(store, query)),
    listKeys: (query) => read(() => listKeys(store, query)),
    listDeadKeys: (query) => read(() => listDeadKeys(store, query)),
    count: (query) => read(() => count(store, query)),
    groupDead: (query) => read(() => groupDead(store, query)),
    act: (action, ids, match) => change(() => jobs.act(store, action, ids, match)),
    replay: (ids) => change(() => jobs.replay(store, ids)),
    remove: (ids, statuses) => change(() => jobs.remove(store, ids, statuses)),
    createQueue: (name, settings) => change(() => admin.createQueue(store, name, settings)),
    queues: (names) => change(() => admin.queues(store, names)),
    queueNames: async () => store.queueNames,
    countReady: (name, types) => read(() => admin.countReady(store, name, types)),
    takenElsewhere: async () => [],
    claimFigures: async () => true,
    sizes: async () => ({ isShared: false, bytes: { jobs: store.kept.heap + store.kept.external } }),
    updateQueue: (name, settings) => change(() => admin.updateQueue(store, name, settings)),
    setPaused: (name, paused) => change(() => admin.setPaused(store, name, paused)),
    deleteQueue: (name, force) => change(() => admin.deleteQueue(store, name, force)),
    purge: (name, limit = Number.POSITIVE_INFINITY) => change(() => admin.purge(store, name, limit)),
    createSchedule: (created) => change(() => schedules.createSchedule(store, created)),
    getSchedule: (queue, name) => read(() => schedules.getSchedule(store, queue, name)),
    listSchedules: (query) => read(() => schedules.listSchedules(store, query)),
    updateSchedule: (changed) => change(() => schedules.updateSchedule(store, changed)),
    deleteSchedule: (queue, name) => change(() => schedules.deleteSchedule(store, queue, name)),
    fireSchedule: (firing) => change(() => schedules.fireSchedule(store, firing)),
    tick: () => change(() => tick(store)),
    head: () => read(() => store.log.head()),
    read: (cursor, limit, filter) => read(() => store.log.read(cursor, limit, filter)),
    told: () => store.log.told(),
    follow: () => {},
  };
}
