import { field, type NamedField, named, type RecordTable } from "./describe.js";
import { QUEUE_KEYS, SHARED_KEYS } from "./key-table.js";
import { SETTINGS } from "./settings.js";

export { QUEUE_KEYS, SHARED_KEYS };

/**
 * Version of the layout, kept under `schema`: data of another are refused. Named fields and features (features.ts) need
 * no new one; keys, fixed widths and what a field means do.
 */
export const SCHEMA_VERSION = 2;

/** Fields of `meta` that every script reads. */
const READ_META = [
  named("paused", "1: no job is leased"),
  named("deleting", "1: the queue is being deleted, and exists for nobody"),
  named("requires", "features that a server must know to touch the queue, with commas"),
  named("epoch", "`epoch` of `log_position`"),
  named("done", "DONE jobs that are kept"),
  named("canceled", "CANCELED jobs that are kept"),
  named("removed", "entries of `finished` whose jobs were deleted"),
  named("completed_bytes", "what the kept DONE and CANCELED jobs take, each rounded to a size"),
  named("recent_bytes", "what those of them take that finished since a time, a blank, and that time, in steady time"),
  named(
    "clock_ahead",
    "by how much TIME was set ahead (below 0: back) while the queue ran, ms; steady time is TIME less this",
  ),
] as const;

/** Fields of `meta` that only some scripts read. */
const OTHER_META = [
  named("created_at", "when the queue was created"),
  named("completed", "jobs that became DONE since then"),
  named(
    "rate_state",
    "what `rate_limit` has let go: its theoretical arrival time, in steady ms with fractions, a blank, and 1 while jobs wait for a slot",
  ),
  named("held", "jobs whose time has come in lines of full keys"),
  named("turn", "time of the queue among keys that take turns: that of the one served last"),
  named("arrivals", "how often a key got its turns"),
] as const;

const settings = Object.values(SETTINGS);
const settingsThat = (isRead: boolean): NamedField[] =>
  settings
    .filter((each) => (each.isRead ?? false) === isRead)
    .map((each) => named(each.field, `setting: ${each.meaning}`));

/** The fields of `meta` in the order that scripts read them. */
export const META_READ: readonly NamedField[] = [...settingsThat(true), ...READ_META];

/** All fields of `meta`. Scripts copy or keep those that they do not know. */
export const META: readonly NamedField[] = [...META_READ, ...settingsThat(false), ...OTHER_META];

const TIME = 13;
/** Times that callers choose may lie before 1970 or far ahead. */
const LONG_TIME = 15;

const HEAD = [
  field("status", 1, "the digit of the status"),
  field("cancel_requested", 1, "1: the cancel of the RUNNING job was requested"),
  field("priority", 2, "0 to 10"),
  field("retry_count", 3, "retries so far"),
  { ...field("deliveries", 7, "leases so far; stays at the largest that fits"), isCapped: true },
  field("lost_leases", 4, "leases that ran out"),
  field("revision", 9, "number of changes, the creation included"),
  field("created_at", TIME, "when it was created"),
  field("updated_at", TIME, "when it changed last"),
  field("run_after", LONG_TIME, "when it is or was ready"),
  field("started_at", TIME, "when the last attempt began; 0: none did"),
  field("finished_at", TIME, "when it became DONE, DEAD or CANCELED; 0: it did not"),
] as const;

/** The records. All times are ms since 1970, in UTC. */
export const RECORDS = {
  spec: {
    meaning: "what a job was created with",
    fields: [
      field("created_at", TIME, "when it was created"),
      field("run_after", LONG_TIME, "when it was to be ready"),
      field("priority", 2, "0 to 10"),
      field("max_retries", 3, "0 to 100"),
      field("base_delay", 11, "of the backoff, ms; of a list the first wait"),
      field("max_delay", 11, "of the backoff, ms; of a list the longest wait"),
      field("timeout", 11, "of an attempt, ms; 0: none"),
      field("payload_kind", 1, "0 none, 1 JSON text, 2 bytes"),
      field("type_length", 3, "bytes of the type"),
    ],
    rest: "the type; `extras`, or nothing when all of them are empty; a newline; the payload",
  },
  head: { meaning: "the numbers of a state", fields: HEAD, rest: "nothing" },
  state: {
    meaning: "what has changed since; a job without a state is PENDING and as it was created",
    fields: [
      ...HEAD,
      field("settled_by", 1, "what settled the last attempt: 0 nothing, 1 complete, 2 fail, 3 release"),
    ],
    rest: "the lease token, `|`, the token of the write that settled the last attempt, a newline; `tail`",
  },
  result: {
    meaning: "the result of a DONE job",
    fields: [field("result_kind", 1, "`j` JSON text, `b` bytes", "letter")],
    rest: "the result",
  },
  place: {
    meaning: "a job among those of the same score: by creation, then id",
    fields: [
      field("created_at", 11, "when it was created", "hex"),
      field("id_length", 1, "`a` for one digit, `b` for two, and so on: ids then sort like numbers", "letter"),
    ],
    rest: "the id",
  },
  standing: {
    meaning: "a job by creation, with its type",
    fields: [field("created_at", 11, "as in place", "hex"), field("id_length", 1, "as in place", "letter")],
    rest: "the id, `:`, the type",
  },
  created: {
    meaning: "what a request id created",
    fields: [
      field("created_at", TIME, "when the job was created"),
      field("run_after", LONG_TIME, "when it was to be ready"),
    ],
    rest: "the id, a blank, the digest of the content; of a create that met the job: `!k` it was kept, or `!r` replaced",
  },
  member: {
    meaning: "a job with its type",
    fields: [field("id_length", 1, "as in place", "letter")],
    rest: "the id, `:`, the type",
  },
  turn_entry: {
    meaning: "a key among those of the same turn",
    fields: [field("arrival", 12, "`arrivals` when it got its turns", "hex")],
    rest: "the key",
  },
  scheduled_member: {
    meaning: "a scheduled job",
    fields: [field("priority", 2, "0 to 10")],
    rest: "place, `:`, the type",
  },
  delayed_member: {
    meaning: "a scheduled job that waits out a delay or a backoff",
    fields: [
      field("run_after", LONG_TIME, "when it was to be ready, as the clock went when the wait began"),
      field("priority", 2, "0 to 10"),
    ],
    rest: "place, `:`, the type",
  },
  claim: {
    meaning: "what a job has of its unique key",
    fields: [
      field("reason", 1, "`f` it is not finished, `s` it has not started, `h` nothing but its hold", "letter"),
      field("until", TIME, "the end of its hold, in steady time; 0: none"),
    ],
    rest: "the key",
  },
  finished: {
    meaning: "a finished job",
    fields: [
      field(
        "outcome",
        1,
        "size of a DONE job: a letter of `SIZES`, or `D` when it was not counted; `C` CANCELED",
        "letter",
      ),
      field("finished_at", TIME, "when it ended, in steady time"),
    ],
    rest: "standing",
  },
  change: {
    meaning: "a line of a message: a job changed, or was deleted",
    fields: [field("kind", 1, "0 changed, 1 deleted"), ...HEAD],
    rest: "the id, a blank, `tail`",
  },
  creation: {
    meaning: "a line of a message: a job was created",
    fields: [
      field("kind", 1, "2"),
      field("priority", 2, "0 to 10"),
      field("run_after", LONG_TIME, "when it is to be ready"),
    ],
    rest: "the id, a blank, `tail`",
  },
} satisfies Record<string, RecordTable>;

/**
 * The named parts of records: JSON objects. Fields that a script does not know survive it; so that they do, later fields
 * are texts, numbers of up to 14 digits, `true`, or objects and lists that are never empty.
 */
export const OBJECTS = {
  extras: [
    named("metadata", "object of texts"),
    named("trace", "the trace it belongs to, an object of texts: `traceparent`, `tracestate`, `baggage`"),
    named(
      "backoff",
      "unless it doubles: `multiplier`, a text, or `delays`, a list of ms; servers that do not know it double from base_delay to max_delay",
    ),
    named("key", "of the job, as in `keys`"),
    named("ttl", "ms from its creation after which it expires unless it began"),
    named("expires_at", "when it expires unless it began"),
    named("schedule", "name of the schedule that created it"),
    named("scheduled_for", "the time of the schedule that it was created for"),
    named(
      "unique",
      "its unique key: `key`, `until` (`FINISHED` or `STARTED`) and `hold`, ms from its creation; 0: none",
    ),
  ],
  tail: [
    named("type", "type of the job"),
    named("worker", "who has or had the last lease"),
    named("error", "start of the last error; `errors` has it whole"),
    named("percent", "progress, a text"),
    named("message", "of the progress"),
    named("size", "of a CANCELED job that is kept: a letter of `SIZES`"),
    named("dropped", "true: its result was left out"),
    named("died", "of a DEAD job: when, in steady time"),
    named("hold", "of a DEAD job that had a unique key: the end of its hold, in steady time"),
  ],
  schedule: [
    named("created_at", "when it was created"),
    named("updated_at", "when somebody changed it last"),
    named("revision", "number of changes by somebody, the creation included"),
    named("paused", "true: it is"),
    named("next_run_at", "its next time, a text"),
    named("last_run_at", "its time that made a job last, a text"),
    named("last_job", "number in the id of that job"),
    named("runs", "jobs that its times made"),
    named("skipped_at", "its last time that made no job, a text"),
    named("skip_reason", "why that made none: `OVERLAP`, `MISFIRE`, or `QUEUE_FULL`"),
  ],
  errors: [
    named("error", "the last error, whole"),
    named("attempts", "list of the latest: `at`, `error` (cut), `delivery`, `worker`"),
  ],
} as const satisfies Record<string, readonly NamedField[]>;

/** The first line of a message, words with a blank in between; later ones are added at the end. The other lines are records. */
export const MESSAGE = [
  named("queue", "name of the queue"),
  named("epoch", "of its log; 0 when the message is about the list of queues"),
  named("position", "of the log after it"),
  named("count", "of changes that it brings"),
  named("at", "when the script ran"),
  named("due_in", "ms until something new is due; -1: nothing"),
  named("flags", "`r` jobs may be ready, `q` queues changed, `w` workers should look; then a dot"),
  named("sweeper", "random name of the server that swept; `-`: it was no sweep"),
  named("ready", "types of the jobs that may be ready, with commas, as in URLs; `*` any; `-` none"),
  named("gone", "types of which no job is ready any more, as `ready`"),
  named("from", "random name of the server that called; `-`: it is not known"),
  named("stamp", "`stamp` of `log_position` after it; `-`: it brings no change"),
  named(
    "completed",
    "`completed_bytes`, a comma, and when the first of `finished` ended, or the first of `unique_kept` will if there is none; `-`: as before",
  ),
] as const;

/**
 * The sizes of finished jobs by letter: of 128 bytes, and four to each doubling, so that a size is right within a tenth. Neither `C`
 * nor `D` is among them: older servers write these, and take any other letter for `D`.
 */
export const SIZES = "0123456789abcdefghijklmnopqrstuvwxyzABEFGHIJKLMNOPQRSTUVWXYZ";
export const SMALLEST_SIZE = 128;

/** The letter of an id with one digit is the one after this. */
export const ID_LETTER = "a".charCodeAt(0) - 1;

/** What stands for what, in fields that have few values. */
export const CODES = {
  status: { PENDING: 0, RUNNING: 1, DONE: 2, FAILED: 3, DEAD: 4, CANCELED: 5 },
  payload_kind: { none: 0, text: 1, bytes: 2 },
  result_kind: { text: "j", bytes: "b" },
  settled_by: { nothing: 0, complete: 1, fail: 2, release: 3 },
  outcome: { DONE: "D", CANCELED: "C" },
  reason: { FINISHED: "f", STARTED: "s", hold: "h" },
  kind: { changed: 0, deleted: 1, created: 2 },
} as const;

/** Where the parts of a record are named. */
export type QueueKey = keyof typeof QUEUE_KEYS;
export type SharedKey = keyof typeof SHARED_KEYS;
export type RecordName = keyof typeof RECORDS;
export type FieldName<R extends RecordName> = (typeof RECORDS)[R]["fields"][number]["name"];
