/**
 * Limits of the API. Characters are UTF-16 code units. A value beyond a limit is refused with an error that states the
 * limit, with two exceptions: texts marked as cut are shortened, and `attemptErrors`, `scan`, `pageBytes`, `violations`
 * and `violationLength` bound what the server keeps, examines or returns.
 */
export const LIMITS = {
  /** Most characters of a job type. */
  typeLength: 128,
  /** Most bytes of a payload or result; JSON text counts as UTF-8. */
  payloadBytes: 1024 * 1024,
  /**
   * Deepest nesting of arrays and objects in a JSON payload or result. In protobuf one level is up to three nested
   * messages, and decoders commonly stop at 100: with this limit any client can read any payload.
   */
  payloadDepth: 32,
  /**
   * Values in a JSON payload or result: each array, object, text, number, true, false and null counts. So it is read in a
   * few ms, and as protobuf fits into what clients take in one message.
   */
  payloadValues: 100_000,
  /** Values in all JSON of one message. */
  messageValues: 400_000,
  /** Entries of any list of one message. */
  listEntries: 10_000,
  /** Bytes of a message of a client, decompressed. */
  messageBytes: 4 * 1024 * 1024,
  /** Most jobs in one batch. */
  batch: 1000,
  /** Highest priority; 0 is the lowest. */
  priority: 10,
  /** Most retries of a job. */
  maxRetries: 100,
  /** By how much each wait between retries may be longer than the one before. */
  multiplier: 10,
  /** Most entries of a list of waits between retries. */
  backoffDelays: 20,
  /** Most entries in a job's metadata. */
  metadataEntries: 64,
  /** Most characters of a metadata key. */
  metadataKeyLength: 128,
  /** Most characters of a metadata value. */
  metadataValueLength: 1024,
  /** Most characters of a traceparent; one of version 00 has 55. */
  traceparentLength: 128,
  /** Most bytes of a tracestate, and of baggage: what W3C says that everybody has to pass on. */
  tracestateBytes: 512,
  baggageBytes: 8192,
  /** Most characters of a request id. */
  requestIdLength: 128,
  /** Most characters of a cron expression, and of the name of a time zone. */
  cronLength: 256,
  timeZoneLength: 64,
  /** Shortest time between two runs of a schedule, ms; the longest is `delayMs`. */
  minEveryMs: 1000,
  /** Longest jitter of a schedule, ms. */
  jitterMs: 24 * 3600 * 1000,
  /** Largest max_runs of a schedule. */
  maxRuns: 2 ** 31 - 1,
  /** Most times of a preview, and how many when the request sets no number. */
  previewTimes: 100,
  defaultPreviewTimes: 5,
  /** Most characters of the key of a job, and of its unique key. */
  keyLength: 128,
  /** Longest delay, backoff or timeout, ms: 366 days, so that any date within a year fits, even across a leap day. */
  delayMs: 366 * 24 * 3600 * 1000,
  /** Earliest and latest time, ms since 1970: the years 1 to 9999, as in a Timestamp. */
  minTime: -62_135_596_800_000,
  maxTime: 253_402_300_799_999,
  /** Most invalid fields named in one error; the rest are counted. gRPC sends them in headers: these fit into 8 KiB. */
  violations: 30,
  /** Characters of the name, and of the description, of an invalid field; longer ones are cut. */
  violationLength: 160,
  /** Most characters of a worker's name. */
  workerLength: 128,
  /** Most characters of a lease token. */
  tokenLength: 256,
  /** Shortest and longest lease, ms. */
  minLeaseMs: 1000,
  maxLeaseMs: 3_600_000,
  /** Most leases in flight on one stream. */
  maxInFlight: 1000,
  /** Longest wait of a poll for jobs, ms. */
  waitMs: 60_000,
  /** Most entries of a list in a filter. */
  filterEntries: 100,
  /** Characters of a job's error text; a longer one is cut. */
  errorLength: 4096,
  /** Characters of an error text in the list of attempt errors; a longer one is cut. */
  attemptErrorLength: 512,
  /** Characters of an error text in the change log; a longer one is cut. */
  changeErrorLength: 256,
  /** Characters of a progress message; a longer one is cut. */
  progressLength: 1024,
  /** Attempt errors kept with a job; the oldest is dropped first. */
  attemptErrors: 10,
  /** Most jobs on a page. */
  pageSize: 1000,
  /** Jobs on a page when the request sets no size. */
  defaultPageSize: 50,
  /** Most jobs examined to fill one page. */
  scan: 10_000,
  /** Most jobs that one call on all that match a filter changes. */
  bulk: 10_000,
  /** Jobs that such a call, a count or a summary examines, about, before it stops. */
  bulkScan: 100_000,
  /** Most groups of dead jobs in one answer, and how many when the request sets no number. */
  groups: 1000,
  defaultGroups: 100,
  /** Bytes of the payloads of one batch; a message that comes over the network is smaller. */
  batchBytes: 64 * 1024 * 1024,
  /** Bytes of jobs on a page, by `jobBytes`; the first job always fits. In protobuf they may take up to twice that. */
  pageBytes: 1024 * 1024,
  /** Types that the figures of a queue name as ready. */
  readyTypes: 20,
  /** Largest weight of a queue. */
  weight: 1000,
  /** Largest max_concurrency and max_concurrency_per_key of a queue; 0, for no limit, is allowed too. */
  maxConcurrency: 1_000_000,
  /** Largest max_depth of a queue; 0, for no limit, is allowed too. */
  maxDepth: 1_000_000_000,
  /** Most jobs of a rate_limit, and its largest burst; and most jobs for each ms of its period. */
  rateCount: 1_000_000,
  rateBurst: 1_000_000,
  ratePerMs: 1000,
  /** Largest max_completed and max_dead of a queue. */
  maxKept: 10_000_000,
} as const;
