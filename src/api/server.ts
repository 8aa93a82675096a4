import type { CallOptions } from "./call-options.js";
import type { Listing } from "./listing.js";

/** What runs a task queue, as it is now. */
export interface ServerInfo {
  /** Of GoTaskQ. */
  readonly version: string;
  /** Where it keeps the jobs: `memory`, `file` or `redis`. */
  readonly store: string;
  /** Whether the jobs survive its end. */
  readonly durable: boolean;
  /** The node id that is part of its job ids, 0 to 1023; undefined: it has none yet. */
  readonly nodeId: number | undefined;
  /** How long it has been running, ms. */
  readonly uptimeMs: number;
  /** Whether it is shutting down. */
  readonly draining: boolean;
  readonly limits: ServerLimits;
  /** Who called, where tokens are asked for; undefined elsewhere. */
  readonly caller: CallerInfo | undefined;
}

/** What is refused when there is more of it. Durations in ms. */
export interface ServerLimits {
  readonly payloadBytes: number;
  readonly payloadDepth: number;
  readonly batch: number;
  readonly typeLength: number;
  readonly metadataEntries: number;
  readonly filterEntries: number;
  readonly priority: number;
  readonly maxRetries: number;
  readonly delayMs: number;
  readonly maxInFlight: number;
  readonly waitMs: number;
  readonly minLeaseMs: number;
  readonly maxLeaseMs: number;
  /** Of leases whose worker asks for no length. */
  readonly defaultLeaseMs: number;
  /** Bytes of a message, decompressed; undefined: there are no messages, as it is in this program. */
  readonly messageBytes: number | undefined;
  /** Streams open at the same time; undefined as above. */
  readonly maxStreams: number | undefined;
}

/** Whose token a call came with. */
export interface CallerInfo {
  readonly name: string;
  readonly scopes: readonly ("read" | "produce" | "work" | "admin")[];
  /** The queues that it may reach, by name or as `prefix*`; empty: all. */
  readonly queues: readonly string[];
  /** When the token ends, ms since 1970; undefined: never. */
  readonly endsAt: number | undefined;
}

/** A worker as the server knows it: its own, or one that is connected. */
export interface WorkerInfo {
  /** Unique on this server. */
  readonly id: string;
  readonly name: string;
  /** How it gets its jobs: inside the server, by a stream, or by polls. */
  readonly kind: "BUILT_IN" | "STREAM" | "POLL";
  /** The queues it takes jobs from, by name or as `prefix*`. Empty: all. */
  readonly queues: readonly string[];
  readonly types: readonly string[];
  /** Most jobs it takes: at the same time, or with one poll. */
  readonly capacity: number;
  /** Jobs that it has a lease of. */
  readonly running: number;
  /** Ids of these; not all, when they are many. */
  readonly jobIds: readonly string[];
  readonly leaseMs: number;
  /** When the server first knew it, ms since 1970. */
  readonly since: number;
}

/** Which workers to list. */
export interface WorkerQuery {
  /** Most workers on a page, 1 to 1000. Default 50. */
  readonly pageSize?: number | undefined;
  /** `nextPageToken` of the page before. Default: the first page. */
  readonly pageToken?: string | undefined;
}

/** Whether calls are served now. */
export type Health = "SERVING" | "NOT_SERVING";

/** What runs a task queue: a server, or this program itself. */
export interface Server {
  /** Resolves to what it is and what it allows. */
  info(options?: CallOptions): Promise<ServerInfo>;
  /** Resolves to whether it serves calls now: its store is there, and it is not shutting down. Rejects when it does not answer. */
  health(options?: CallOptions): Promise<Health>;
  /** Lists its workers, those known for longest first. FIELD_INVALID, PAGE_TOKEN_INVALID. */
  workers(query?: WorkerQuery, options?: CallOptions): Listing<WorkerInfo>;
}
