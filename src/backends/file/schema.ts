/** Tells our files from those of other programs. */
export const APPLICATION_ID = 0x476f5451;

/** The newest version of the tables that this code knows. */
export const SCHEMA_VERSION = 2;

/**
 * What turns a file of the version before into one of this version, from version 1 (an empty file) on. One way only: an older
 * program refuses a newer file. Fields within the records need no migration.
 */
export const MIGRATIONS: readonly string[] = [
  `
  -- About the store: the number of processes that have opened it, the name of its change log.
  CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

  -- Queues. record: JSON with settings, paused, createdAt, completed.
  CREATE TABLE queues (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;

  -- Jobs as they were created, or revised while they waited. spec: JSON of what jobs of a kind share (type, priority, …).
  -- own: JSON of what it alone has (createdAt, runAfter, …). payload: JSON text, or a blob.
  CREATE TABLE jobs (id TEXT PRIMARY KEY, spec TEXT NOT NULL, own TEXT NOT NULL, payload) WITHOUT ROWID;

  -- What became of jobs; a job that never changed has none. state: JSON (status, revision, token, error, …).
  CREATE TABLE states (id TEXT PRIMARY KEY, state TEXT NOT NULL, result) WITHOUT ROWID;

  -- The change log: the changes of one commit in one row. entries: a JSON array, the first has the position "first".
  CREATE TABLE changes (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, entries TEXT NOT NULL);

  -- Request ids whose jobs are gone (the others are in jobs.own). until: ms since 1970.
  CREATE TABLE request_ids (queue TEXT NOT NULL, key TEXT PRIMARY KEY, record TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX request_ids_until ON request_ids (until);
  CREATE INDEX request_ids_queue ON request_ids (queue);

  -- Lease calls with a request id: which leases they got.
  CREATE TABLE lease_requests (key TEXT PRIMARY KEY, record TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX lease_requests_until ON lease_requests (until);

  -- For people.
  CREATE VIEW job_list AS SELECT
    j.id,
    CASE instr(j.id, '@') WHEN 0 THEN 'default' ELSE substr(j.id, instr(j.id, '@') + 1) END AS queue,
    j.spec ->> 'type' AS type,
    coalesce(s.state ->> 'status', 'PENDING') AS status,
    j.spec ->> 'priority' AS priority,
    datetime((j.own ->> 'createdAt') / 1000, 'unixepoch') AS created_at,
    datetime(coalesce(s.state ->> 'runAfter', j.own ->> 'runAfter') / 1000, 'unixepoch') AS run_after,
    s.state ->> 'worker' AS worker,
    s.state ->> 'error' AS error,
    j.payload,
    s.result
  FROM jobs j LEFT JOIN states s ON s.id = j.id;
  CREATE VIEW change_list AS SELECT c.first + e.key AS position, e.value AS change FROM changes c, json_each(c.entries) e;
  `,
  `
  -- Schedules. record: JSON with what it was asked to be (cron, job, …) and how it stands (nextRunAt, runs, …).
  CREATE TABLE schedules (queue TEXT NOT NULL, name TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (queue, name)) WITHOUT ROWID;

  -- For people.
  CREATE VIEW schedule_list AS SELECT
    queue,
    name,
    coalesce(record ->> 'cron', 'every ' || (record ->> 'everyMs') || ' ms') AS times,
    record ->> '$.job.type' AS type,
    record ->> 'paused' AS paused,
    datetime((record ->> 'nextRunAt') / 1000, 'unixepoch') AS next_run_at,
    datetime((record ->> 'lastRunAt') / 1000, 'unixepoch') AS last_run_at,
    record ->> 'lastJobId' AS last_job_id,
    record ->> 'runs' AS runs
  FROM schedules;
  `,
];
