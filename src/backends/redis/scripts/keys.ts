/**
 * Every key of the Redis backend, and the channel. A queue's keys share its name as hash tag, so that a script that gets
 * one of them may touch them all, on a cluster too: they live in one slot.
 *
 * Of a queue, `<prefix>:{<queue>}:` and
 *
 * | suffix     | type   | what                                                                                  |
 * |------------|--------|---------------------------------------------------------------------------------------|
 * | `m`        | hash   | settings: `o` ordering P or R, `w` weight, `c` max_concurrency, `d` max_depth,          |
 * |            |        | `p` paused, `t` created at, `e` epoch of the log, `n` DONE and `k` CANCELED jobs kept,  |
 * |            |        | `u` entries of `f` whose jobs were deleted, `a` jobs completed ever, `x` deleting        |
 * | `j`        | hash   | id to what a job was created with (layout.ts)                                           |
 * | `s`        | hash   | id to what changed since; absent until the first change                                 |
 * | `e`        | hash   | id to the errors of its attempts                                                        |
 * | `o`        | hash   | id to its result                                                                        |
 * | `i`        | zset   | every job by id: listings                                                               |
 * | `r:<type>` | zset   | ready jobs of a type in the order they run                                              |
 * | `t`        | set    | the types that have ready jobs                                                          |
 * | `z`        | zset   | scheduled jobs by run_after                                                             |
 * | `l`        | zset   | running jobs by the end of their lease                                                  |
 * | `d`        | zset   | dead jobs by time of death                                                              |
 * | `f`        | list   | DONE and CANCELED jobs as they ended: D or C, when (13 digits), id, colon, type         |
 * | `q`, `w`   | hash   | request id to id, and id to request id                                                  |
 * | `g`        | hash   | `e` epoch and `s` number of changes so far of the log                                   |
 * | `a:<call>` | string | what a lease call that may be repeated was answered, for as long as its lease           |
 * | `log`      | stream | what each script call changed, as the channel was told; its id: number of the last change |
 *
 * Of all queues, `<prefix>:{*}:` (no queue has that name) and `queues` (hash: name to `<created at>:<weight>`),
 * `gone` (zset: deleted queues whose log is still kept, by when it goes), `nodes` and `owners` (zset and
 * hash: node ids by the end of their lease, and who has them), `schema`.
 */
export interface Keys {
  /** The key that a script of this queue is called with; it finds the others beside it. */
  queue(name: string): string;
  /** The change log of a queue. */
  log(name: string): string;
  /** Position of the change log of a queue. */
  position(name: string): string;
  /** The queues there are. */
  readonly queues: string;
  /** Deleted queues whose log is still kept, by when it goes. */
  readonly gone: string;
  /** The version of this layout. */
  readonly schema: string;
  /** Node ids in use, by the end of their lease. */
  readonly nodes: string;
  /** Who has them. */
  readonly owners: string;
  /** Where scripts say what they did. */
  readonly channel: string;
}

/** The layout that this program reads and writes; see `schema`. */
export const SCHEMA_VERSION = 1;

/** Builds the keys under a prefix. */
export function createKeys(prefix: string): Keys {
  return {
    queue: (name) => `${prefix}:{${name}}:m`,
    log: (name) => `${prefix}:{${name}}:log`,
    position: (name) => `${prefix}:{${name}}:g`,
    queues: `${prefix}:{*}:queues`,
    gone: `${prefix}:{*}:gone`,
    schema: `${prefix}:{*}:schema`,
    nodes: `${prefix}:{*}:nodes`,
    owners: `${prefix}:{*}:owners`,
    channel: `${prefix}:events`,
  };
}
