import { serverDraining } from "../../model/errors.js";
import type { Logger } from "../../model/logger.js";
import type { Lease } from "../backend.js";
import type { Clock, Timer } from "../clock.js";
import type { Leasing } from "../leasing.js";
import { Waker } from "../waker.js";
import { yieldToEventLoop } from "../yield-to-event-loop.js";
import type { BackgroundRelease } from "./background-release.js";
import type { Dispatcher, JobSelector } from "./dispatcher.js";
import type { HeldLease, HeldLeases, LeaseHolder } from "./held-leases.js";
import { startReconnectGracePeriod } from "./reconnect-grace-period.js";
import type { WorkerInfo } from "./worker-info.js";

/** The longest silence on a stream, ms. */
export const STREAM_HEARTBEAT_MS = 15_000;

/** What may be leased ahead of the reader at the most: so many jobs, and the job that brings them to so many bytes. */
const MAX_AHEAD = 100;
const MAX_AHEAD_BYTES = 64 * 1024;

/** What a stream asks for; times in ms. */
export interface WorkerStreamRequest extends JobSelector {
  readonly worker: string;
  readonly maxInFlight: number;
  readonly leaseMs: number;
}

/** One message of a stream. */
export type WorkerStreamEvent =
  | { readonly kind: "session"; readonly id: string; readonly leaseMs: number; readonly maxInFlight: number }
  | { readonly kind: "lease"; readonly lease: Lease }
  | { readonly kind: "cancel"; readonly jobId: string }
  | { readonly kind: "drain"; readonly closesInMs: number }
  | { readonly kind: "heartbeat"; readonly at: number };

/** What a stream is made of. */
export interface WorkerStreamDeps {
  readonly leasing: Leasing;
  readonly dispatcher: Dispatcher;
  readonly leases: HeldLeases;
  readonly release: BackgroundRelease;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told when a lease on a stream is over, or the stream is. */
  readonly changed: (stream: WorkerStream) => void;
}

/**
 * One worker's stream. It leases only while its reader waits for more, so that a slow reader has little leased for it
 * that it has not taken; and never more than `maxInFlight` leases that are not over.
 *
 * Open until its reader leaves or the server drains, then in its grace while it holds leases: those that nobody extends
 * or ends in that time are given back.
 */
export class WorkerStream implements LeaseHolder {
  readonly held = new Map<string, HeldLease>();
  readonly #deps: WorkerStreamDeps;
  readonly #waker = new Waker();
  /** Leased, and not sent yet. */
  #unsent: Lease[] = [];
  #cancels: HeldLease[] = [];
  #isReading = false;
  #drain: { readonly closesInMs: number } | undefined;
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
  }

  /** The messages: `session`, a heartbeat, then what happens. Ends when `signal` is aborted; SERVER_DRAINING. */
  async *events(signal: AbortSignal): AsyncGenerator<WorkerStreamEvent> {
    const { clock, dispatcher } = this.#deps;
    const { worker, leaseMs, maxInFlight } = this.request;
    const member = dispatcher.join(this.request, {
      worker,
      leaseMs,
      maxBytes: MAX_AHEAD_BYTES,
      room: () => this.#room(),
      take: (leases) => this.#take(leases),
    });
    try {
      yield { kind: "session", id: this.id, leaseMs, maxInFlight };
      yield { kind: "heartbeat", at: clock.now() };
      let silentSince = clock.monotonic();
      let isDrainTold = false;
      member.look();
      while (!signal.aborted) {
        const event = this.#next();
        if (event !== undefined) {
          yield event;
          silentSince = clock.monotonic();
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
        // The calls that have arrived by now go first: a poll needs two for a job, a stream one, and both should get theirs.
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

  /** What it takes, and what it runs. */
  info(): WorkerInfo {
    const { worker, queues, types, maxInFlight, leaseMs } = this.request;
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

  /** Whether its reader is gone. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether it is over: its reader is gone, and it holds nothing any more. */
  get isOver(): boolean {
    return this.#isEnded && this.held.size === 0;
  }

  /** Whether nothing on it is waited for: it ended, or holds nothing. */
  get isQuiet(): boolean {
    return this.#isEnded || this.held.size === 0;
  }

  /** Leases no more, and tells the reader; the stream ends when its leases do, or is stopped. */
  drain(closesInMs: number): void {
    this.#drain ??= { closesInMs };
    this.#releaseUnsent();
    this.#waker.wake();
  }

  /** Ends the stream, and its grace: leases that are held stay until they end by themselves. */
  stop(): void {
    this.#isStopped = true;
    this.#drain ??= { closesInMs: 0 };
    this.#grace?.cancel();
    this.#waker.wake();
    if (this.#isEnded) this.#forget([...this.held.values()]);
  }

  ended(lease: HeldLease): void {
    this.#drop(lease);
    this.#waker.wake();
    this.#deps.changed(this);
  }

  canceled(lease: HeldLease): void {
    // What was not sent is given back at once, which acknowledges the cancel.
    if (this.#unsent.some(({ token }) => token === lease.token)) this.#release([lease]);
    else this.#cancels.push(lease);
    this.#waker.wake();
  }

  extended(lease: HeldLease): void {
    // Its worker lives and has it by now in another way: it comes back by its own end only.
    if (this.#isEnded) this.#forget([lease]);
  }

  #room(): number {
    if (!this.#isReading || this.#drain !== undefined || this.#unsent.length > 0) return 0;
    return Math.min(MAX_AHEAD, this.request.maxInFlight - this.held.size);
  }

  #take(leases: readonly Lease[]): void {
    for (const lease of leases) {
      this.#unsent.push(lease);
      this.#deps.leases.add(lease, this);
    }
    if (this.#isEnded || this.#drain !== undefined) this.#releaseUnsent();
    this.#waker.wake();
  }

  #next(): WorkerStreamEvent | undefined {
    for (let lease = this.#cancels.shift(); lease !== undefined; lease = this.#cancels.shift()) {
      const { jobId } = lease;
      if (this.held.get(jobId) === lease) return { kind: "cancel", jobId };
    }
    for (let lease = this.#unsent.shift(); lease !== undefined; lease = this.#unsent.shift()) {
      const held = this.held.get(lease.job.id);
      if (held === undefined) continue;
      const expiresInMs = Math.floor(held.until - this.#deps.clock.monotonic());
      if (expiresInMs > 0) return { kind: "lease", lease: { ...lease, expiresInMs } };
      // Its reader was away for the whole of the lease.
      this.#release([held]);
    }
    return undefined;
  }

  #drop({ token }: HeldLease): void {
    if (this.#unsent.length > 0) this.#unsent = this.#unsent.filter((lease) => lease.token !== token);
  }

  #releaseUnsent(): void {
    this.#release(this.#unsent.flatMap(({ job }) => this.held.get(job.id) ?? []));
  }

  /** Releases leases; they are not held any more. */
  #release(leases: readonly HeldLease[]): void {
    this.#forget(leases);
    this.#deps.release(leases);
  }

  #forget(leases: readonly HeldLease[]): void {
    for (const lease of leases) this.#deps.leases.remove(lease);
  }

  #end(): void {
    this.#isEnded = true;
    this.#releaseUnsent();
    if (this.#isStopped) this.#forget([...this.held.values()]);
    this.#deps.changed(this);
    if (this.isOver) return;
    const { worker } = this.request;
    this.#grace = startReconnectGracePeriod({ ...this.#deps, worker }, this, () =>
      this.#forget([...this.held.values()]),
    );
  }
}
