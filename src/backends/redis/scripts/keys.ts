/**
 * Every key of the Redis backend, and the channel. The keys of a queue have its name as hash tag, so that they share a
 * slot: a script that is given one of them may use them all, in a cluster too.
 *
 * For each queue, `<prefix>:{<queue>}:` and
 *
 * | suffix     | type   | what                                                                                  |
 * |------------|--------|---------------------------------------------------------------------------------------|
 * | `m`        | hash   | settings: `o` ordering P or R, `w` weight, `c` max_concurrency, `d` max_depth,          |
 * |            |        | `p` paused, `t` created at, `e` epoch of the log, `n` DONE and `k` CANCELED jobs kept,  |
 * |            |        | `u` entries of `f` whose jobs were deleted, `a` jobs ever completed, `x` being deleted  |
 * | `j`        | hash   | id to spec: what the job was created with (texts: prelude.ts)                           |
 * | `s`        | hash   | id to state: what has changed since; absent until the first change                      |
 * | `e`        | hash   | id to the errors of its attempts                                                        |
 * | `o`        | hash   | id to its result                                                                        |
 * | `i`        | zset   | every job by id, for listings                                                           |
 * | `r:<type>` | zset   | ready jobs of a type in the order they are leased                                       |
 * | `t`        | set    | the types that have ready jobs                                                          |
 * | `z`        | zset   | scheduled jobs by run_after                                                             |
 * | `l`        | zset   | running jobs by the end of their lease                                                  |
 * | `d`        | zset   | dead jobs by time of death                                                              |
 * | `f`        | list   | DONE and CANCELED jobs in the order they ended: D or C, time (13 digits), id, `:`, type |
 * | `q`, `w`   | hash   | request id to id, and id to request id                                                  |
 * | `g`        | hash   | position of the change log: `e` its epoch, `s` the number of changes so far             |
 * | `a:<call>` | string | leases that a repeatable lease call got; expires with their first length                |
 * | `log`      | stream | change log: the published message of each script call; id: number of its last change    |
 *
 * For all queues, `<prefix>:{*}:` (no queue can have that name) and `queues` (hash: name to `<created at>:<weight>`),
 * `gone` (zset: deleted queues whose log is still kept, by when it expires), `nodes` and `owners` (zset and hash: node
 * ids by the end of their lease, and their owners), `schema` (string: version of the layout).
 */
export interface Keys {
  /** The key that is passed to scripts of this queue; they derive the others from it. */
  queue(name: string): string;
  /** The change log of a queue. */
  log(name: string): string;
  /** Epoch and position of the change log of a queue. */
  position(name: string): string;
  /** The list of queues. */
  readonly queues: string;
  /** Deleted queues whose log is still kept, by when it expires. */
  readonly gone: string;
  /** The version of this layout. */
  readonly schema: string;
  /** Node ids in use, by the end of their lease. */
  readonly nodes: string;
  /** Owners of the node ids. */
  readonly owners: string;
  /** The channel on which scripts publish what they did. */
  readonly channel: string;
}

/** Version of the layout that this program reads and writes, kept under `schema`: data of another are refused. */
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
