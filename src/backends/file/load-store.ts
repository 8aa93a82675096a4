import type { Payload } from "../../model/job/job.js";
import type { Logger } from "../../model/log/logger.js";
import type { JobStore } from "../memory/job-store.js";
import { Restorer } from "../memory/restorer.js";
import type { Chunk, Opened, Place, Reply, Writer } from "./batch.js";
import { fileOf } from "./database.js";
import { StoreUnusable } from "./store-unusable.js";

/** Jobs between two lines of the log that tell how far the reading is. */
const PROGRESS_JOBS = 100_000;

/** Chunks that are asked for ahead: one is read while another is restored. */
const AHEAD = 2;

/**
 * Opens the file and reads all of it into an empty store. Resolves to the largest number of a job in it. Rejects with
 * `StoreUnusable`.
 */
export async function loadStore(
  store: JobStore,
  writer: Writer,
  place: Place,
  logger: Logger,
): Promise<{ readonly lastNumber: string }> {
  const replies = receive(writer);
  writer.send({ kind: "open", place });
  const opened = (await replies()) as Opened;
  const restorer = new Restorer(store);
  const startedAt = store.clock.monotonic();
  store.tokens.prefix = `${store.tokens.prefix}${opened.boot.toString(36)}-`;
  store.log.continue(opened.logName, 0);
  if (opened.jobs > PROGRESS_JOBS)
    logger.info({ folder: place.folder, jobs: opened.jobs }, "reading the jobs in the file");
  let read = 0;
  for (let ahead = 1; ahead < AHEAD; ahead++) writer.send({ kind: "more" });
  for (let isEnd = false; !isEnd; ) {
    writer.send({ kind: "more" });
    const chunk = (await replies()) as Chunk;
    isEnd = chunk.table === "end";
    const before = read;
    if (chunk.table === "jobs") read += chunk.values.length / 6;
    try {
      restore(store, restorer, chunk);
    } catch (error) {
      throw new StoreUnusable(
        `${fileOf(place.folder)}: is damaged: ${(error as Error).message}. Nothing was changed. Put back a backup of the folder, or move ` +
          "the file and its -wal and -shm away to begin without jobs.",
      );
    }
    if (Math.floor(before / PROGRESS_JOBS) < Math.floor(read / PROGRESS_JOBS)) {
      logger.info({ folder: place.folder, jobs: read, of: opened.jobs }, "jobs read");
    }
  }
  // Answers to what was asked ahead.
  for (let ahead = 1; ahead <= AHEAD - 1; ahead++) await replies();
  restorer.end();
  const ms = Math.round(store.clock.monotonic() - startedAt);
  if (read > 0) logger.info({ folder: place.folder, jobs: read, duration_ms: ms }, "all jobs are read");
  return restorer;
}

/** Puts the rows of a chunk into the store. */
function restore(store: JobStore, restorer: Restorer, { table, values }: Chunk): void {
  if (table === "queues")
    for (const [name, record] of rows(values, 2)) restorer.queue(name as string, record as string);
  else if (table === "schedules") {
    for (const [queue, record] of rows(values, 2)) restorer.schedule(queue as string, record as string);
  } else if (table === "jobs") {
    for (let at = 0; at < values.length; at += 6) {
      restorer.job({
        id: values[at] as string,
        spec: values[at + 1] as string,
        own: values[at + 2] as string,
        payload: (values[at + 3] ?? undefined) as Payload | undefined,
        state: (values[at + 4] ?? undefined) as string | undefined,
        result: (values[at + 5] ?? undefined) as Payload | undefined,
      });
    }
  } else if (table === "requestIds") {
    for (const [queue, record] of rows(values, 2)) restorer.requestId(queue as string, record as string);
  } else if (table === "leaseRequests") for (const [record] of rows(values, 1)) restorer.leaseRequest(record as string);
  else if (table === "changes") {
    for (const [first, count, entries] of rows(values, 3)) {
      const changes = JSON.parse(entries as string);
      if (store.log.next === 0) store.log.continue(store.log.name, first as number);
      if (store.log.next !== first || changes.length !== count) throw new Error(`the change log has a gap at ${first}`);
      for (const change of changes) restorer.change(change);
    }
  }
}

function* rows<T>(values: readonly T[], columns: number): Generator<readonly T[]> {
  for (let at = 0; at < values.length; at += columns) yield values.slice(at, at + columns);
}

/** Returns what resolves to the next reply; it rejects with what went wrong. */
function receive(writer: Writer): () => Promise<Reply> {
  const replies: Reply[] = [];
  let wake: ((reply: Reply) => void) | undefined;
  writer.onReply = (reply) => {
    if (wake === undefined) replies.push(reply);
    else wake(reply);
    wake = undefined;
  };
  return async () => {
    const reply =
      replies.shift() ??
      (await new Promise<Reply>((resolve) => {
        wake = resolve;
      }));
    if (reply.kind === "unusable") throw new StoreUnusable(reply.message);
    if (reply.kind === "failed") throw new StoreUnusable(`the file cannot be read: ${reply.message}`);
    return reply;
  };
}
