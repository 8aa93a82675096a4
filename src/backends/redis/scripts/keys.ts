import type { QueueKey, SharedKey } from "../layout/table.js";

/**
 * The keys that calls and scripts are given, and the channel; ../layout/table.ts describes all of them. The keys of a
 * queue have its name as hash tag, so that they share a slot: a script that is given one of them may use them all, in a
 * cluster too. The channels of a Redis are those of all its databases, so the name of the channel tells whose it is: read
 * from its end it is no other store's.
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
  /** How often the list of queues has changed. */
  readonly listed: string;
  /** The version of this layout. */
  readonly schema: string;
  /** The name of this store. */
  readonly store: string;
  /** Node ids in use, by the end of their lease. */
  readonly nodes: string;
  /** Owners of the node ids. */
  readonly owners: string;
  /** The features that each of them knows. */
  readonly nodeFeatures: string;
  /** What the workers of each of them take. */
  readonly nodeTaken: string;
  /** The server that tells the figures of queues. */
  readonly figuresTeller: string;
  /** The polls with a request id, each with the place where it leases. */
  readonly polls: string;
  /** The same polls, by when they are forgotten. */
  readonly pollEnds: string;
  /** By how much TIME was set ahead meanwhile, ms. */
  readonly clockAhead: string;
  /** The channel on which scripts publish what they did. */
  readonly channel: string;
  /** A channel on which nothing is published: who hears it is known to hear. The pattern for rights to `channel` holds for it. */
  ownChannel(server: string): string;
}

/** Builds the keys under a prefix, and the channel of this prefix and database. */
export function createKeys(prefix: string, database = 0): Keys {
  const queueKey = (name: string, key: QueueKey) => `${prefix}:{${name}}:${key}`;
  const shared = (key: SharedKey) => `${prefix}:{*}:${key}`;
  return {
    queue: (name) => queueKey(name, "meta"),
    log: (name) => queueKey(name, "log"),
    position: (name) => queueKey(name, "log_position"),
    queues: shared("queues"),
    gone: shared("gone"),
    listed: shared("listed"),
    schema: shared("schema"),
    store: shared("store"),
    nodes: shared("nodes"),
    owners: shared("owners"),
    nodeFeatures: shared("node_features"),
    nodeTaken: shared("node_taken"),
    figuresTeller: shared("figures_teller"),
    polls: shared("polls"),
    pollEnds: shared("poll_ends"),
    clockAhead: shared("clock_ahead"),
    channel: `${prefix}:{*}:events:${database}`,
    ownChannel: (server) => `${prefix}:{*${server}}:events:${database}`,
  };
}
