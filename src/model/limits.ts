/** Limits of the contract; each is named in the error that enforces it. */
export const LIMITS = {
  /** Characters of a job type. */
  typeLength: 128,
  /** Bytes of a payload or result: JSON text in UTF-8, or bytes. */
  payloadBytes: 1024 * 1024,
  /**
   * Nesting of arrays and objects in a JSON payload or result. As protobuf a level is up to three messages, and decoders
   * commonly stop at 100: any client can read what this lets in.
   */
  payloadDepth: 32,
  /** Bytes of a message of a client, decompressed. */
  messageBytes: 4 * 1024 * 1024,
  /** Jobs of one batch. */
  batch: 1000,
  /** Highest priority; 0 is the lowest. */
  priority: 10,
  /** Most retries of a job. */
  maxRetries: 100,
  /** Entries of a job's metadata. */
  metadataEntries: 64,
  /** Characters of a metadata key. */
  metadataKeyLength: 128,
  /** Characters of a metadata value. */
  metadataValueLength: 1024,
  /** Characters of a request id. */
  requestIdLength: 128,
  /** Longest delay, backoff or timeout: 366 days, so that every date within a year fits, across a leap day too. */
  delayMs: 366 * 24 * 3600 * 1000,
  /** Bad fields that one refusal names; the rest are counted. Headers carry them in gRPC: 8 KiB hold these. */
  violations: 30,
  /** Characters of what is said of one bad field. */
  violationLength: 160,
  /** Characters of a worker's name. */
  workerLength: 128,
  /** Characters of a lease token. */
  tokenLength: 256,
  /** Shortest and longest lease. */
  minLeaseMs: 1000,
  maxLeaseMs: 3_600_000,
  /** Most unfinished leases of one stream. */
  maxInFlight: 1000,
  /** Longest wait of a poll for jobs. */
  waitMs: 60_000,
  /** Entries of a list in a filter. */
  filterEntries: 100,
  /** Characters of an error text; a longer one is cut. */
  errorLength: 4096,
  /** Characters of an error text in the list of failed attempts. */
  attemptErrorLength: 512,
  /** Characters of an error text in the change log. */
  changeErrorLength: 256,
  /** Characters of a progress message; a longer one is cut. */
  progressLength: 1024,
  /** Attempt errors kept with a job. */
  attemptErrors: 10,
  /** Jobs a page. */
  pageSize: 1000,
  /** Jobs a page when the caller does not say. */
  defaultPageSize: 50,
  /** Jobs one page examines at the most. */
  scan: 10_000,
  /** Bytes of jobs on a page, but for its first job; as protobuf they may take twice that. */
  pageBytes: 1024 * 1024,
  /** Largest weight of a queue. */
  weight: 1000,
  /** Largest max_concurrency of a queue. */
  maxConcurrency: 1_000_000,
  /** Largest max_depth of a queue. */
  maxDepth: 1_000_000_000,
} as const;
