import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Lease } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import type { Logger } from "../../model/log/logger.js";
import { isPassing, toTaskQueueError } from "../convert/errors.js";
import { payloadFormat } from "../convert/json.js";
import { retryWait, wait } from "../wait.js";
import type { JobSource } from "./worker-attempt.js";
import type { WorkerHeaders, WorkerServers } from "./worker-servers.js";

/** Longest silence on a stream, ms: the server sends a heartbeat every 15 s. */
const MAX_SILENCE_MS = 40_000;

/** At a stop: silence after which a stream has no lease in flight, and the longest wait for that silence, ms. */
const QUIET_MS = 20;
const MAX_QUIET_MS = 250;

/** Dependencies of the streams. */
export interface JobStreamsDeps {
  readonly servers: WorkerServers;
  /** Returns the headers of a call. */
  readonly headersOf: WorkerHeaders;
  readonly logger: Logger;
  readonly request: {
    readonly worker: string;
    readonly queues: readonly string[];
    readonly types: readonly string[];
    readonly leaseMs: number;
  };
  /** Most leases that the worker may hold. */
  readonly capacity: number;
  /** Returns how many leases are held now that came on streams which have ended or drain. */
  readonly orphans: () => number;
  /** Called with each lease that arrives. */
  readonly leased: (lease: Lease, source: JobSource) => void;
  /** Called when cancel was requested for a job. */
  readonly canceled: (jobId: string) => void;
  /** Called once for each stream when no more jobs come on it. The jobs that came on it go on. */
  readonly over: (source: JobSource) => void;
}

interface OpenStream extends JobSource {
  readonly controller: AbortController;
  /** When the last message came, ms on the monotonic clock. */
  lastAt: number;
}

/**
 * Takes jobs by a stream, and opens another when it ends, after a wait that grows with every failure in a row. Jobs of
 * a stream that has ended go on and count against the capacity: the next stream is smaller by their number, and when
 * they are done a further stream takes the room they leave. So the worker never holds more leases than its capacity.
 */
export class JobStreams {
  readonly #deps: JobStreamsDeps;
  readonly #open = new Set<OpenStream>();
  readonly #stopping = new AbortController();
  #isOpening = false;
  #failures = 0;
  #running: Promise<void>[] = [];
  #connected: { resolve(): void; reject(error: unknown): void } | undefined;

  constructor(deps: JobStreamsDeps) {
    this.#deps = deps;
  }

  /**
   * Starts taking jobs. Resolves when the first stream is open or the streams are stopped; rejects when the server
   * refuses it with an error for which the same request would fail again.
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#connected = { resolve, reject };
      this.fill();
    });
  }

  /** Opens a stream for the capacity that no open stream covers, if it is worth one. */
  fill(): void {
    if (this.#isOpening || this.#stopping.signal.aborted) return;
    const { capacity } = this.#deps;
    const orphans = this.#deps.orphans();
    let taking = 0;
    for (const stream of this.#open) if (stream.isTaking) taking += stream.size;
    const room = capacity - taking - orphans;
    // One stream for each job that ends would be too many: it must cover half of the capacity, unless no other stream
    // is taking jobs or no job of an ended stream is left.
    const isWorthIt = taking === 0 || orphans === 0 || room >= capacity / 2;
    if (room <= 0 || !isWorthIt) return;
    this.#isOpening = true;
    const running = this.#run(room).finally(() => {
      this.#running = this.#running.filter((each) => each !== running);
    });
    this.#running.push(running);
  }

  /**
   * Ends all streams, once the leases in flight have arrived: the server would otherwise keep those from other workers
   * until its grace period is over. No outcome may be sent meanwhile, as each would make the server send another lease.
   */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const end = performance.now() + MAX_QUIET_MS;
    const isQuiet = (now: number) =>
      [...this.#open].every(
        ({ isTaking, held, size, lastAt }) => !isTaking || held >= size || now - lastAt >= QUIET_MS,
      );
    while (performance.now() < end && !isQuiet(performance.now())) await wait(QUIET_MS / 4);
    for (const { controller } of this.#open) controller.abort();
    this.#connected?.resolve();
    await Promise.all(this.#running);
  }

  async #run(size: number): Promise<void> {
    const { servers, logger } = this.#deps;
    const rpc = servers.current;
    const stream: OpenStream = {
      size,
      isTaking: true,
      held: 0,
      lastAt: performance.now(),
      controller: new AbortController(),
    };
    this.#open.add(stream);
    let retryAfterMs: number | undefined;
    try {
      await this.#read(rpc, stream);
      logger.info({}, "the stream of jobs ended; opening another");
    } catch (thrown) {
      const error = toTaskQueueError(thrown);
      retryAfterMs = error.retryAfterMs;
      if (!this.#stopping.signal.aborted) {
        if (!isPassing(error) && this.#connected !== undefined) {
          // Whoever started it learns of the error by that.
          this.#connected.reject(error);
          this.#stopping.abort(error);
        } else {
          const fields = { err: error, url: servers.urlOf(rpc) };
          if (error.code === "UNAVAILABLE") logger.warn(fields, "no stream of jobs; trying again");
          else logger[isPassing(error) ? "warn" : "error"](fields, "the stream of jobs broke; opening another");
        }
      }
    }
    servers.leave(rpc);
    this.#over(stream);
    this.#open.delete(stream);
    this.#failures++;
    await wait(retryWait(this.#failures, retryAfterMs), this.#stopping.signal).catch(() => {});
    this.#isOpening = false;
    this.fill();
  }

  async #read(rpc: WorkerServers["current"], stream: OpenStream): Promise<void> {
    const { request, leased, canceled } = this.#deps;
    const { worker, queues, types, leaseMs } = request;
    const headers = await this.#deps.headersOf();
    const messages = rpc.streamJobs(
      {
        ...{ worker, queues: [...queues], types: [...types], maxInFlight: stream.size },
        lease: durationFromMs(leaseMs),
        payloadFormat,
      },
      { signal: stream.controller.signal, ...(headers && { headers }) },
    );
    const watchdog = setInterval(() => {
      if (performance.now() - stream.lastAt > MAX_SILENCE_MS) stream.controller.abort();
    }, MAX_SILENCE_MS / 8);
    try {
      for await (const { event } of messages) {
        stream.lastAt = performance.now();
        if (event.case === "lease") leased(event.value, stream);
        else if (event.case === "cancel") canceled(event.value.jobId);
        else if (event.case === "session") this.#opened();
        else if (event.case === "drain") {
          this.#deps.logger.info({}, "the server drains; going on elsewhere");
          this.#deps.servers.leave(rpc);
          this.#over(stream);
          this.fill();
        }
      }
    } finally {
      clearInterval(watchdog);
    }
  }

  #opened(): void {
    this.#failures = 0;
    this.#isOpening = false;
    this.#connected?.resolve();
    this.#connected = undefined;
    this.fill();
  }

  /** No more jobs come on this stream: calls `over` once. */
  #over(stream: OpenStream): void {
    if (!stream.isTaking) return;
    stream.isTaking = false;
    this.#deps.over(stream);
  }
}
