import type { Payload } from "../../model/job/job.js";
import type { Batch } from "./batch.js";
import type { Database } from "./database.js";

/** Rows that one statement writes where there are so many, the most first: a call costs more than a row. */
const ROWS = [16, 4, 1];

/** Entries of the change log between two deletions of old ones, and the most rows that one commit forgets. */
const TRIM_EVERY = 1000;
const FORGET = 5000;

/** Least time between two looks for what is to be forgotten, ms. */
const FORGET_EVERY_MS = 100;

type Value = Payload | number | null;

/** Writes rows with as few statements as there are for them. */
function rowsWriter(
  database: Database,
  columns: number,
  sql: (rows: number) => string,
): (values: readonly Value[]) => void {
  const statements = ROWS.map((rows) => ({ step: rows * columns, statement: database.prepare(sql(rows)) }));
  return (values) => {
    let at = 0;
    for (const { step, statement } of statements) {
      for (; at + step <= values.length; at += step) statement.run(values.slice(at, at + step));
    }
  };
}

const inserting = (table: string, columns: number) => (rows: number) =>
  `INSERT OR REPLACE INTO ${table} VALUES ${Array(rows)
    .fill(`(${Array(columns).fill("?").join(",")})`)
    .join(",")}`;

const deleting = (table: string, key: string) => (rows: number) =>
  `DELETE FROM ${table} WHERE ${key} IN (${Array(rows).fill("?").join(",")})`;

const deletingPairs = (table: string, first: string, second: string) => (rows: number) =>
  `DELETE FROM ${table} WHERE (${first}, ${second}) IN (VALUES ${Array(rows).fill("(?,?)").join(",")})`;

/**
 * Returns what writes a batch in one transaction. A batch may be written again: each row is written as it is to be, or
 * deleted. Throws what SQLite says; nothing of the batch is written then.
 */
export function batchWriter(database: Database): (batch: Batch) => void {
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");
  const deleteQueues = rowsWriter(database, 1, deleting("queues", "name"));
  const deleteRequestIds = rowsWriter(database, 1, deleting("request_ids", "queue"));
  const deleteJobs = rowsWriter(database, 1, deleting("jobs", "id"));
  const deleteStates = rowsWriter(database, 1, deleting("states", "id"));
  const deleteSchedulesOf = rowsWriter(database, 1, deleting("schedules", "queue"));
  const deleteSchedules = rowsWriter(database, 2, deletingPairs("schedules", "queue", "name"));
  const writeQueues = rowsWriter(database, 2, inserting("queues", 2));
  const writeJobs = rowsWriter(database, 4, inserting("jobs", 4));
  const writeStates = rowsWriter(database, 3, inserting("states", 3));
  const writeRequestIds = rowsWriter(database, 4, inserting("request_ids", 4));
  const writeLeaseRequests = rowsWriter(database, 3, inserting("lease_requests", 3));
  const writeSchedules = rowsWriter(database, 3, inserting("schedules", 3));
  const writeChanges = database.prepare("INSERT OR REPLACE INTO changes VALUES (?,?,?)");
  const trimChanges = database.prepare(
    "DELETE FROM changes WHERE first < (SELECT max(first) FROM changes WHERE first <= ?)",
  );
  const forgetting = (table: string) =>
    database.prepare(`DELETE FROM ${table} WHERE key IN (SELECT key FROM ${table} WHERE until <= ? LIMIT ${FORGET})`);
  const forgetRequestIds = forgetting("request_ids");
  const forgetLeaseRequests = forgetting("lease_requests");
  let trimmed = 0;
  let forgotAt = 0;

  function write(batch: Batch): void {
    const { goneQueues, goneJobs, changes, firstChange, oldestChange, now } = batch;
    deleteQueues(goneQueues);
    deleteRequestIds(goneQueues);
    deleteSchedulesOf(goneQueues);
    deleteSchedules(batch.goneSchedules);
    deleteJobs(goneJobs);
    deleteStates(goneJobs);
    writeQueues(batch.queues);
    writeJobs(batch.jobs);
    writeStates(batch.states);
    writeRequestIds(batch.requestIds);
    writeLeaseRequests(batch.leaseRequests);
    writeSchedules(batch.schedules);
    if (changes.length > 0) writeChanges.run([firstChange, changes.length, `[${changes.join(",")}]`]);
    if (oldestChange - trimmed >= TRIM_EVERY) {
      trimChanges.run([oldestChange]);
      trimmed = oldestChange;
    }
    if (now - forgotAt >= FORGET_EVERY_MS || now < forgotAt) {
      forgetRequestIds.run([now]);
      forgetLeaseRequests.run([now]);
      forgotAt = now;
    }
  }

  return (batch) => {
    begin.run([]);
    try {
      write(batch);
      commit.run([]);
    } catch (error) {
      if (database.inTransaction) database.exec("ROLLBACK");
      throw error;
    }
  };
}
