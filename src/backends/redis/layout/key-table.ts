import type { KeyTable } from "./describe.js";

/** The keys of a queue: `<prefix>:{<queue>}:<name>`. Their hash tag keeps them in one slot of a cluster. */
export const QUEUE_KEYS = {
  meta: { type: "hash", meaning: "settings and counts: `meta` below", lifetime: "the queue" },
  specs: {
    type: "hash",
    meaning: "id to spec: what it was created with",
    holds: "spec",
    lifetime: "until the job is deleted",
  },
  states: {
    type: "hash",
    meaning: "id to state: what has changed since",
    holds: "state",
    lifetime: "from the job's first change",
  },
  errors: {
    type: "hash",
    meaning: "id to the errors of its attempts",
    holds: "errors",
    lifetime: "from the job's first error",
  },
  results: { type: "hash", meaning: "id to result", holds: "result", lifetime: "from the job's result, if it has one" },
  index: {
    type: "zset",
    meaning: "every job by creation, for listings",
    holds: "standing",
    lifetime: "while there are jobs",
  },
  ready: {
    type: "zset",
    each: "type",
    meaning:
      "ready jobs in the order they are leased; of those in a line of a key only the first, and none while the key is full",
    holds: "place",
    lifetime: "while there are any",
  },
  turns: {
    type: "zset",
    each: "type",
    meaning: "instead of `ready` where keys take turns: those with a ready job of the type and not full, by turn",
    holds: "turn_entry",
    lifetime: "while there are any",
  },
  line: {
    type: "zset",
    each: "length, key, type",
    meaning:
      "jobs of one key and type whose time has come, in the order they are leased; the length is that of the key, in bytes, three digits",
    holds: "place",
    lifetime: "while there are any",
  },
  key_types: {
    type: "hash",
    meaning: "key to the types of these lines, a JSON list; of very many only how many they are",
    lifetime: "while there are any",
  },
  shown_lines: {
    type: "zset",
    meaning: "lines of keys with very many, as they are named in `line`, that have entries; with score 0",
    lifetime: "while there are any",
  },
  hidden_lines: {
    type: "zset",
    meaning: "the same of those that have none, as their key is full, or was when that was looked at last",
    lifetime: "while there are any",
  },
  unfit_keys: {
    type: "set",
    meaning: "keys that are not full and have lines in `hidden_lines`, which sweeps show",
    lifetime: "while there are any",
  },
  behind: {
    type: "hash",
    meaning: "type to how many jobs stand behind the first ones in lines of keys that are not full",
    lifetime: "while there are any",
  },
  held_types: {
    type: "hash",
    meaning: "type to how many jobs stand in lines of full keys",
    lifetime: "while there are any",
  },
  keys: { type: "hash", meaning: "id to key, of jobs that have one", lifetime: "until the job is deleted" },
  running_keys: {
    type: "zset",
    meaning: "keys by how many of their jobs are RUNNING; 1e9 more for those that are full, as far as has been looked",
    lifetime: "while any are RUNNING",
  },
  active_keys: {
    type: "hash",
    meaning: "key to its turn, a blank, and `arrival`, of those in `turns`",
    lifetime: "while there are any",
  },
  idle_keys: {
    type: "zset",
    meaning: "other keys by the turn at which they go on, while that is after `turn` of the queue",
    lifetime: "until the queue is as far",
  },
  ready_types: { type: "set", meaning: "the types that have ready jobs", lifetime: "while there are any" },
  scheduled: {
    type: "zset",
    meaning: "scheduled jobs that were given a run_after, by that",
    holds: "scheduled_member",
    lifetime: "while there are any",
  },
  delayed: {
    type: "zset",
    meaning: "scheduled jobs that wait out a delay or a backoff, by its end in steady time",
    holds: "delayed_member",
    lifetime: "while there are any",
  },
  retrying: {
    type: "zset",
    meaning:
      "ids of those in `delayed` that wait out a backoff, by its end in steady time; older servers leave some here until then, which count for nothing",
    lifetime: "while there are any",
  },
  expiring: {
    type: "zset",
    meaning: "ids of jobs that were given an expires_at and did not begin yet, by that",
    lifetime: "while there are any",
  },
  expiring_after: {
    type: "zset",
    meaning: "ids of jobs that were given a ttl and did not begin yet, by its end in steady time",
    lifetime: "while there are any",
  },
  unique: {
    type: "hash",
    meaning: "unique key that is held to the id of the job that holds it",
    lifetime: "while there are any",
  },
  unique_of: {
    type: "hash",
    meaning: "id of a job that holds its unique key to what it has of it",
    holds: "claim",
    lifetime: "while it holds the key",
  },
  unique_kept: {
    type: "zset",
    meaning: "ids of DONE jobs that are kept by a hold, and not in `finished`, by its end in steady time",
    lifetime: "while there are any",
  },
  leases: {
    type: "zset",
    meaning: "ids of RUNNING jobs by the end of their lease in steady time",
    lifetime: "while there are any",
  },
  dead: { type: "zset", meaning: "DEAD jobs by time of death", holds: "member", lifetime: "while there are any" },
  finished: {
    type: "list",
    meaning: "DONE and CANCELED jobs in the order they ended",
    holds: "finished",
    lifetime: "while any are kept",
  },
  requests: {
    type: "hash",
    meaning: "request id to what was created with it",
    holds: "created",
    lifetime: "as long as the job, and 10 minutes",
  },
  request_ends: {
    type: "zset",
    meaning: "request ids by when they are forgotten, in steady time; 1e15 ms later while that is with the job",
    lifetime: "while there are any",
  },
  requests_of_jobs: {
    type: "hash",
    meaning: "id to request id, but for automatic ones",
    lifetime: "until the job is deleted",
  },
  lease_calls: {
    type: "hash",
    meaning: "token of a poll with a request id to the ids that it leased, with commas; empty: it leases none any more",
    lifetime: "the first length of the leases",
  },
  lease_call_ends: {
    type: "zset",
    meaning: "the same tokens by when they are forgotten, in steady time",
    lifetime: "while there are any",
  },
  schedules: {
    type: "hash",
    meaning: "name to how a schedule stands",
    holds: "schedule",
    lifetime: "until the schedule is deleted",
  },
  schedule_specs: {
    type: "hash",
    meaning:
      "name to what a schedule was asked to be, JSON: `ScheduleSpec` in schedule.ts, a payload of bytes as base64",
    lifetime: "until the schedule is deleted",
  },
  schedule_names: {
    type: "zset",
    meaning: "names of schedules, with score 0, for listings",
    lifetime: "while there are any",
  },
  schedule_times: {
    type: "zset",
    meaning:
      "names of schedules that have a next time, by that; one that a sweep told as due by when it is told again unless it moves on",
    lifetime: "while there are any",
  },
  answers: {
    type: "string",
    each: "memo",
    meaning: "answer of the last call of a server with this memo: its number, a blank, and MessagePack",
    lifetime: "expires after 10 minutes",
  },
  log: {
    type: "stream",
    meaning: "change log: of each script call the message, as field `m`; the id is the number of its last change",
    holds: "message",
    lifetime: "24 h longer than the queue",
  },
  log_position: {
    type: "hash",
    meaning:
      "end of the change log: `epoch`, the number of `changes` so far, and the `stamp` of the last one: microseconds of TIME, more than the one before, a blank, and which change that is, as older servers write none",
    lifetime: "24 h longer than the queue",
  },
} satisfies Record<string, KeyTable>;

/** The keys for all queues: `<prefix>:{*}:<name>`, as no queue can be named `*`. */
export const SHARED_KEYS = {
  schema: { type: "string", meaning: "version of the layout", lifetime: "for ever" },
  queues: { type: "hash", meaning: "name of each queue to `<created_at>:<weight>`", lifetime: "for ever" },
  listed: {
    type: "string",
    meaning: "how often `queues` and `gone` have changed; a list that was lost goes on from the time in ms",
    lifetime: "for ever",
  },
  store: { type: "string", meaning: "random name of this store, anew when its data are lost", lifetime: "for ever" },
  gone: {
    type: "zset",
    meaning: "deleted queues whose log is still kept, by when it expires",
    lifetime: "while there are any",
  },
  polls: {
    type: "hash",
    meaning: "worker and request id of each poll that has one to the queue and token that it leases with",
    lifetime: "the first length of the leases",
  },
  poll_ends: {
    type: "zset",
    meaning: "the same polls by when they are forgotten, in steady time",
    lifetime: "while there are any",
  },
  clock_ahead: {
    type: "string",
    meaning: "as in `meta`, for the steady time of polls; there is none before TIME steps",
    lifetime: "for ever",
  },
  nodes: { type: "zset", meaning: "node ids by the end of their lease", lifetime: "for ever" },
  owners: { type: "hash", meaning: "node id to the random name of its server", lifetime: "for ever" },
  node_features: {
    type: "hash",
    meaning: "node id to the features that its server knows, with commas",
    lifetime: "for ever",
  },
  node_taken: {
    type: "hash",
    meaning:
      "node id to the random name of its server, a blank, and what its workers take, as JSON: lists of queues (none: all) and types; `?`: not known",
    lifetime: "for ever",
  },
  figures_teller: {
    type: "string",
    meaning: "random name of the server that exports the figures of queues",
    lifetime: "expires after 6 s",
  },
} satisfies Record<string, KeyTable>;
