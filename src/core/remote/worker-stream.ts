import { serverDraining, workerSilent } from "../../model/common/errors.js";
import type { Logger } from "../../model/log/logger.js";
import type { Clock, Timer } from "../clock.js";
import type { Lease } from "../port/leases.js";
import { yieldToEventLoop } from "../turns/yield-to-event-loop.js";
import type { Leasing } from "../work/leasing.js";
import { Waker } from "../work/waker.js";
import type { BackgroundRelease } from "./background-release.js";
import { type Dispatcher, type JobSelector, queuesOf } from "./dispatcher.js";
import type { HeldLease, HeldLeases, LeaseHolder } from "./held-leases.js";
import type { Outboxes } from "./outboxes.js";
import { startReconnectGracePeriod } from "./reconnect-grace-period.js";
import { StreamOutbox } from "./stream-outbox.js";
import type { WorkerInfo } from "./worker-info.js";

/** Longest silence on a stream, ms: then a heartbeat is sent. */
export const STREAM_HEARTBEAT_MS = 15_000;

/**
 * Limits of what is leased at once for a reader: a number of jobs, and bytes of jobs after which no more are leased (the last job
 * may go over).
 */
const MAX_AHEAD = 100;
const MAX_AHEAD_BYTES = 64 * 1024;

/** From so many jobs at once on the next ones are leased while these are written: so many are small ones. */
const BACKLOG = 25;

/** A request for a stream that passed its checks. Durations in ms. */
export interface WorkerStreamRequest extends JobSelector {
  readonly worker: string;
  /** Most leases at the same time, 1 or more. */
  readonly maxInFlight: number;
  readonly leaseMs: number;
}

/** One event of a stream. `at` is in ms since 1970. */
export type WorkerStreamEvent =
  | { readonly kind: "session"; readonly id: string; readonly leaseMs: number; readonly maxInFlight: number }
  | { readonly kind: "lease"; readonly lease: Lease }
  | { readonly kind: "cancel"; readonly jobId: string }
  | { readonly kind: "drain"; readonly closesInMs: number }
  | { readonly kind: "heartbeat"; readonly at: number };

/** Dependencies of a stream. */
export interface WorkerStreamDeps {
  readonly leasing: Leasing;
  readonly dispatcher: Dispatcher;
  readonly leases: HeldLeases;
  readonly outboxes: Outboxes;
  readonly release: BackgroundRelease;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when a lease of the stream is over, and when its reader has left. */
  readonly changed: (stream: WorkerStream) => void;
}

/**
 * The stream of one worker. It leases only while its reader waits for an event, so that few jobs are leased for a slow
 * reader before it takes them, and it never holds more than `maxInFlight` leases. With a backlog that no other worker wants, it
 * leases the next jobs once the reader has taken the first of the last ones: the store works while these are written.
 *
 * A lease has left when its reader asks for the next event. Until then its worker has no part in it: what waits for too long, and
 * what had not left at the end, is given back, and nothing is counted.
 *
 * It is open until its reader leaves, until it has drained, or until a lease ran out in which nothing was heard of its
 * worker: a process that is frozen, or cut off without a word, must not be given one job after another. If it still holds leases when the
 * reader has left, a grace period begins: leases that are neither extended nor settled in that time are given back as lost.
 */
export class WorkerStream implements LeaseHolder {
  readonly held = new Map<string, HeldLease>();
  readonly #deps: WorkerStreamDeps;
  readonly #waker = new Waker();
  readonly #outbox: StreamOutbox;
  /** Leases with a cancel request that the reader has not been told of yet. */
  #cancels: HeldLease[] = [];
  /** Whether the reader waits for an event. */
  #isReading = false;
  /** Whether so many were leased last that the next are to be leased while these are taken. */
  #isBacklog = false;
  /** Whether they may be leased now. */
  #isAhead = false;
  #drain: { readonly closesInMs: number } | undefined;
  /** When the worker was heard last, ms on the monotonic clock. */
  #heardAt = Number.NEGATIVE_INFINITY;
  #isSilent = false;
  #isEnded = false;
  #isStopped = false;
  #grace: Timer | undefined;

  constructor(
    readonly id: string,
    readonly request: WorkerStreamRequest,
    readonly startedAt: number,
    deps: WorkerStreamDeps,
  ) {
    this.#deps = deps;
    this.#outbox = new StreamOutbox(request.leaseMs, this.held, {
      outboxes: deps.outboxes,
      release: (leases) => this.#release(leases),
    });
  }

  /**
   * The events: `session`, a heartbeat, then events as they occur. Returns when `signal` is aborted, and throws
   * SERVER_DRAINING at the end of a drain, LEASE_LOST when its worker is silent.
   */
  async *events(signal: AbortSignal): AsyncGenerator<WorkerStreamEvent> {
    const { clock, dispatcher } = this.#deps;
    const { worker, leaseMs, maxInFlight } = this.request;
    const member = dispatcher.join(this.request, {
      worker,
      leaseMs,
      maxBytes: MAX_AHEAD_BYTES,
      room: () => this.#room(),
      isSuspect: () => this.#isSuspect(),
      take: (leases) => this.#take(leases),
    });
    try {
      yield { kind: "session", id: this.id, leaseMs, maxInFlight };
      yield { kind: "heartbeat", at: clock.now() };
      let silentSince = clock.monotonic();
      let isDrainTold = false;
      while (!signal.aborted) {
        if (this.#isSilent) {
          this.#deps.logger.info(
            { worker },
            "a worker let a lease run out without a sign of life; its stream is ended",
          );
          throw workerSilent();
        }
        const event = this.#next();
        if (event !== undefined) {
          yield event;
          silentSince = clock.monotonic();
          this.#outbox.sent(silentSince);
          if (this.#isBacklog && member.isAlone && this.#outbox.size < MAX_AHEAD) {
            this.#isBacklog = false;
            this.#isAhead = true;
            if (this.#room() > 0) member.want();
          }
          continue;
        }
        if (this.#drain !== undefined && !isDrainTold) {
          isDrainTold = true;
          yield { kind: "drain", ...this.#drain };
          continue;
        }
        if (this.#isStopped || (isDrainTold && this.held.size === 0)) throw serverDraining();
        const idleMs = clock.monotonic() - silentSince;
        if (idleMs >= STREAM_HEARTBEAT_MS) {
          yield { kind: "heartbeat", at: clock.now() };
          silentSince = clock.monotonic();
          continue;
        }
        // Lets calls that have arrived by now run first. A polling worker makes two calls for each job, a stream worker
        // only one: without this turn, streams would take the share of the polls.
        if (!member.isAlone) await yieldToEventLoop();
        this.#isReading = true;
        if (this.#room() > 0) member.want();
        await this.#waker.wait(clock, STREAM_HEARTBEAT_MS - idleMs, signal);
        this.#isReading = false;
      }
    } finally {
      member.leave();
      this.#end();
    }
  }

  /** Returns what is known about the worker of this stream. */
  info(): WorkerInfo {
    const { worker, types, maxInFlight, leaseMs } = this.request;
    const queues = queuesOf(this.request);
    const jobIds = [...this.held.keys()];
    return {
      id: this.id,
      name: worker,
      kind: "STREAM",
      queues,
      types,
      capacity: maxInFlight,
      jobIds,
      leaseMs,
      since: this.startedAt,
    };
  }

  /** Whether its reader has left. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether its reader has left and it holds no lease any more. */
  get isOver(): boolean {
    return this.#isEnded && this.held.size === 0;
  }

  /** Whether a drain need not wait for it: its reader has left, or it holds no lease. */
  get isQuiet(): boolean {
    return this.#isEnded || this.held.size === 0;
  }

  /** Stops leasing and tells the reader. The stream ends when its last lease is over, or with `stop`. */
  drain(closesInMs: number): void {
    this.#drain ??= { closesInMs };
    this.#outbox.empty();
    this.#waker.wake();
  }

  /** Ends the stream, or its grace period. Leases that were sent are kept: the worker may settle them elsewhere. */
  stop(): void {
    this.#isStopped = true;
    this.#drain ??= { closesInMs: 0 };
    this.#grace?.cancel();
    this.#waker.wake();
    if (this.#isEnded) this.#forget([...this.held.values()]);
  }

  ended(lease: HeldLease): void {
    this.#outbox.drop(lease);
    this.#waker.wake();
    this.#deps.changed(this);
  }

  heard(): void {
    this.#heardAt = this.#deps.clock.monotonic();
  }

  lapsed(held: HeldLease): void {
    // A job that was not sent says nothing of the worker.
    if (this.#heardAt > held.givenAt || !this.#outbox.hasLeft(held)) return;
    this.#isSilent = true;
    this.#waker.wake();
  }

  canceled(lease: HeldLease): void {
    // A job that was not sent is released at once, which acknowledges the cancel.
    if (this.#outbox.isUnsent(lease)) this.#release([lease]);
    else this.#cancels.push(lease);
    this.#waker.wake();
  }

  extended(lease: HeldLease): void {
    // The worker is alive and keeps the lease without this stream: the grace period must not release it.
    if (this.#isEnded) this.#forget([lease]);
  }

  /** How many jobs may be leased for it now. */
  #room(): number {
    if (this.#isSilent || this.#drain !== undefined) return 0;
    if (this.#isReading ? this.#outbox.isWaiting : !this.#isAhead || this.#outbox.size >= MAX_AHEAD) return 0;
    return Math.min(MAX_AHEAD, this.request.maxInFlight - this.held.size);
  }

  /** Whether its worker has been silent for longer than one that lives: others come first. */
  #isSuspect(): boolean {
    const [oldest] = this.held.values();
    if (oldest === undefined) return false;
    return this.#deps.clock.monotonic() - Math.max(this.#heardAt, oldest.givenAt) > this.request.leaseMs / 2;
  }

  #take(leases: readonly Lease[]): void {
    this.#isBacklog = leases.length >= BACKLOG;
    this.#isAhead = false;
    // First: a cancel that overtook the answer takes the lease out again.
    this.#outbox.add(leases);
    for (const lease of leases) this.#deps.leases.add(lease, this);
    if (this.#isEnded || this.#drain !== undefined) this.#outbox.empty();
    this.#waker.wake();
  }

  #next(): WorkerStreamEvent | undefined {
    for (let lease = this.#cancels.shift(); lease !== undefined; lease = this.#cancels.shift()) {
      const { jobId } = lease;
      if (this.held.get(jobId) === lease) return { kind: "cancel", jobId };
    }
    const lease = this.#outbox.isWaiting ? this.#outbox.next(this.#deps.clock.monotonic()) : undefined;
    return lease && { kind: "lease", lease };
  }

  /** Forgets leases and releases them in the background. */
  #release(leases: readonly HeldLease[]): void {
    if (leases.length === 0) return;
    this.#forget(leases);
    this.#deps.release(leases);
  }

  /** Holds these leases no more, without releasing them. */
  #forget(leases: readonly HeldLease[]): void {
    for (const lease of leases) this.#deps.leases.remove(lease);
  }

  #end(): void {
    this.#isEnded = true;
    this.#outbox.end();
    if (this.#isStopped) this.#forget([...this.held.values()]);
    this.#deps.changed(this);
    if (this.isOver) return;
    const { worker } = this.request;
    this.#grace = startReconnectGracePeriod({ ...this.#deps, worker }, this, () =>
      this.#forget([...this.held.values()]),
    );
  }
}
