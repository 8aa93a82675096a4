import type { Backend, BackendListener, BackendOptions } from "../../core/backend.js";
import { DEFAULT_BACKEND_OPTIONS } from "../../core/backend.js";
import type { Clock, Timer } from "../../core/clock.js";
import type { Lease } from "../../core/port/leases.js";
import { type StoreObserver, silentStoreObserver } from "../../core/port/store-observer.js";
import { backendUnavailable } from "../../model/common/errors.js";
import type { Logger } from "../../model/log/logger.js";
import { createIdGenerator, type IdGenerator } from "../../model/queue/ids.js";
import { DEFAULT_QUEUE } from "../../model/queue/queue.js";
import { JobStore, type MemoryBackendDeps } from "../memory/job-store.js";
import {
  DEFAULT_CHANGE_LOG_SIZE,
  DEFAULT_COMPLETED_BYTES,
  type MemoryBackendOptions,
} from "../memory/memory-backend.js";
import { renewLeases, takeBack } from "../memory/operations/lease.js";
import { operationsOf } from "../memory/operations/operations.js";
import type { Durability, Place, Reply, Writer } from "./batch.js";
import { CommitLine } from "./commit-line.js";
import { readFileSizes } from "./file-sizes.js";
import { Journal } from "./journal.js";
import { loadStore } from "./load-store.js";
import { createWriterThread } from "./writer-thread.js";

/** Delay before a commit that failed is tried again, ms. */
const RETRY_MS = 1000;

/** Longest that a stop waits for the disk, ms. */
const STOP_MS = 10_000;

/** Why operations are refused at the end. */
const CLOSED = "the file that keeps the jobs is closed";

/** Dependencies of the file backend. */
export interface FileBackendDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly isFull?: MemoryBackendDeps["isFull"];
  /** Told how long commits take. Default: nobody. */
  readonly observer?: StoreObserver | undefined;
  /** Writes the file. Default: a thread of its own. */
  readonly writer?: Writer | undefined;
}

/** Settings of the file backend. */
export interface FileBackendOptions extends MemoryBackendOptions {
  /** The folder that keeps the jobs; created if it is missing. It serves one process. */
  readonly folder: string;
  /** What a change survives before it counts. Default `power`. */
  readonly durability: Durability;
  /** Node id in job ids. Default 0. */
  readonly nodeId: number;
}

/** A file backend, and the source of ids for its jobs: they go on above those that are in the file. */
export interface FileBackend extends Backend {
  readonly ids: IdGenerator;
}

/**
 * Creates a backend that keeps jobs in memory and in a file. The rules are those of the memory backend, and operations run
 * as they do there; what they change goes to the file, and what they answer or tell waits until it is there.
 *
 * `start` rejects with `StoreUnusable` when the folder cannot be used. While nothing can be written every operation is refused
 * with BACKEND_UNAVAILABLE, before it decides anything.
 */
export function createFileBackend(
  deps: FileBackendDeps,
  options: Partial<BackendOptions & FileBackendOptions> & Pick<FileBackendOptions, "folder">,
): FileBackend {
  const { clock, logger, writer = createWriterThread(), observer = silentStoreObserver } = deps;
  const { folder, durability = "power", nodeId = 0, changeLogSize = DEFAULT_CHANGE_LOG_SIZE, ...given } = options;
  const journal = new Journal();
  const store = new JobStore(
    { ...deps, journal },
    { ...DEFAULT_BACKEND_OPTIONS, maxCompletedBytes: DEFAULT_COMPLETED_BYTES, ...given },
    changeLogSize,
  );
  const place: Place = { folder, durability, logName: store.log.name };

  /** Why operations are refused now, if they are. */
  let refusal: string | undefined = "the file that keeps the jobs is not open yet";
  let listener: BackendListener | undefined;
  let notices: (() => void)[] = [];
  /** Leases whose callers were told that the call failed. */
  let unheard: Lease[] = [];
  /** The cursor after the changes that the listener was told of. */
  let told = "";
  let retry: Timer | undefined;
  let ids: IdGenerator | undefined;
  let loading: ReturnType<typeof loadStore> | undefined;
  let stopped: Promise<void> | undefined;
  let closed: (() => void) | undefined;

  const line = new CommitLine({
    writer,
    observer,
    monotonic: () => clock.monotonic(),
    take: (number) => (journal.isDirty ? journal.take(store, number) : undefined),
    soon: (callback) => void setImmediate(callback),
    failed(message) {
      if (stopped !== undefined) return;
      if (refusal === undefined) {
        logger.error(
          { folder, error: message },
          "the file that keeps the jobs cannot be written; trying again each second",
        );
        listener?.available(false);
      }
      refusal = `the file that keeps the jobs cannot be written: ${message}`;
      retry ??= clock.setTimer(RETRY_MS, () => {
        retry = undefined;
        writer.send({ kind: "reopen", place });
      });
    },
    recovered() {
      if (stopped !== undefined) return;
      logger.info({ folder }, "the file that keeps the jobs can be written again");
      refusal = undefined;
      const leases = unheard;
      unheard = [];
      void run(() => {
        takeBack(store, leases);
        renewLeases(store);
      }).catch(() => undefined);
      listener?.available(true);
    },
  });

  function heard(reply: Reply): void {
    if (reply.kind === "closed") closed?.();
    else if (reply.kind === "unusable") line.reply({ kind: "failed", message: reply.message });
    else line.reply(reply);
  }

  /** Hears what the store announces, and keeps it until the operation is in the file. */
  store.listener = {
    ready: (queue, types) => notices.push(() => listener?.ready(queue, types)),
    due: (inMs) => notices.push(() => listener?.due(inMs)),
    changes(batch) {
      notices.push(() => {
        told = batch.cursor(batch.changes.length, undefined) ?? told;
        listener?.changes(batch);
      });
    },
    interrupted: () => undefined,
    queues: (name) => notices.push(() => listener?.queues(name)),
    emptied: () => undefined,
    available: () => undefined,
    resync: () => undefined,
  };

  function run<T>(operation: () => T, isEarly = false, unanswered?: (value: T) => void): Promise<T> {
    if (refusal !== undefined) return Promise.reject(backendUnavailable(refusal));
    return new Promise<T>((resolve, reject) => {
      let answer: () => void;
      let forget: (() => void) | undefined;
      try {
        const value = operation();
        answer = () => resolve(value);
        forget = unanswered && (() => unanswered(value));
      } catch (error) {
        answer = () => reject(error);
      }
      store.announce();
      const heard = notices;
      if (heard.length > 0) notices = [];
      const failed = (message: string) => {
        forget?.();
        reject(backendUnavailable(`the file that keeps the jobs could not be written: ${message}`));
      };
      line.add(heard, { kept: answer, failed }, journal.isDirty, isEarly);
    });
  }

  async function stop(): Promise<void> {
    retry?.cancel();
    const isOpen = await loading?.then(
      () => true,
      () => false,
    );
    if (isOpen !== true) return;
    await line.settled();
    refusal = CLOSED;
    listener = undefined;
    await new Promise<void>((resolve) => {
      closed = resolve;
      writer.send({ kind: "close" });
    });
  }

  /** Stops, but waits for a disk that does not answer only so long. */
  function stopInTime(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(STOP_MS, () => {
        refusal = CLOSED;
        listener = undefined;
        logger.error({ folder }, "the disk does not answer; what was not acknowledged may be missing in the file");
        resolve();
      });
      stop()
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }

  const operations = operationsOf(store, {
    change: (operation) => run(operation),
    hand: (operation) => run(operation, true, (leases) => unheard.push(...leases)),
    read: (operation) => run(operation),
  });

  return {
    kind: "file",
    durable: true,
    ids: {
      next() {
        if (ids === undefined) throw backendUnavailable("the file that keeps the jobs is not open yet");
        return ids.next();
      },
    },
    async start(given) {
      loading = loadStore(store, writer, place, logger);
      const { lastNumber } = await loading;
      writer.onReply = heard;
      if (stopped !== undefined) throw backendUnavailable(CLOSED);
      ids = createIdGenerator(clock, nodeId, lastNumber);
      refusal = undefined;
      told = store.log.told();
      listener = given;
      await run(() => {
        for (const queue of store.queues.values()) store.notices.ready(queue);
        journal.queueChanged(store.queue(DEFAULT_QUEUE));
        store.notices.due(0);
      });
    },
    stop() {
      stopped ??= stopInTime();
      return stopped;
    },
    ...operations,
    async sizes() {
      const { isShared, bytes } = await operations.sizes();
      const { diskFreeBytes, ...files } = await readFileSizes(folder);
      return { isShared, bytes: { ...bytes, ...files }, diskFreeBytes, pending: line.pending };
    },
    told: () => told,
  };
}
