import type { Chunk, Opened, Place } from "./batch.js";
import type { Database } from "./database.js";

/** Rows in a chunk. */
const CHUNK = 2000;

/** The tables to read, in the order in which a `Restorer` wants them. */
const TABLES: readonly { readonly table: Exclude<Chunk["table"], "end">; readonly sql: string }[] = [
  { table: "queues", sql: "SELECT name, record FROM queues ORDER BY name" },
  { table: "schedules", sql: "SELECT queue, record FROM schedules ORDER BY queue, name" },
  {
    table: "jobs",
    sql: "SELECT j.id, j.spec, j.own, j.payload, s.state, s.result FROM jobs j LEFT JOIN states s ON s.id = j.id ORDER BY j.id",
  },
  { table: "requestIds", sql: "SELECT queue, record FROM request_ids ORDER BY until" },
  { table: "leaseRequests", sql: "SELECT record FROM lease_requests ORDER BY until" },
  { table: "changes", sql: "SELECT first, count, entries FROM changes ORDER BY first" },
];

/** Reads what a store has, chunk by chunk. */
export interface StoreReader {
  readonly opened: Opened;
  /** The next rows; the last chunk is of the table `end`. */
  next(): Chunk;
}

/** Counts up the number of processes that have opened the store, and begins to read it. */
export function readStore(database: Database, { logName }: Place): StoreReader {
  const get = database.prepare("SELECT value FROM meta WHERE name = ?");
  const set = database.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)");
  const meta = (key: string) => (get.get([key]) as { value: string } | undefined)?.value;
  const boot = Number(meta("boot") ?? 0) + 1;
  const name = meta("log") ?? logName;
  database.exec("BEGIN IMMEDIATE");
  set.run(["boot", String(boot)]);
  set.run(["log", name]);
  database.exec("COMMIT");
  const { jobs } = database.prepare("SELECT count(*) AS jobs FROM jobs").get() as { jobs: number };
  const chunks = readChunks(database);
  return {
    opened: { kind: "opened", boot, logName: name, jobs },
    next: () => chunks.next().value ?? { kind: "chunk", table: "end", values: [] },
  };
}

function* readChunks(database: Database): Generator<Chunk, undefined> {
  for (const { table, sql } of TABLES) {
    let values: Chunk["values"][number][] = [];
    let rows = 0;
    for (const row of database.prepare(sql).raw().iterate() as Iterable<Chunk["values"][number][]>) {
      values.push(...row);
      if (++rows % CHUNK === 0) {
        yield { kind: "chunk", table, values };
        values = [];
      }
    }
    if (values.length > 0) yield { kind: "chunk", table, values };
  }
  return undefined;
}
