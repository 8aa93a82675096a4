import { createHash } from "node:crypto";
import { queueNotFound, serverDraining } from "../../model/common/errors.js";
import type { Logger } from "../../model/log/logger.js";
import type { IdGenerator } from "../../model/queue/ids.js";
import { Violations } from "../../model/request/violations.js";
import type { Clock } from "../clock.js";
import type { ChangeBatch } from "../port/changes.js";
import type { Completion, ExtendResult, Extension, Lease, LeaseRef, Settlement } from "../port/leases.js";
import { createJobLog, type JobLog } from "../work/job-log.js";
import type { Leasing } from "../work/leasing.js";
import type { ReadyWork } from "../work/ready-work.js";
import { type BackgroundRelease, createBackgroundRelease } from "./background-release.js";
import { Dispatcher } from "./dispatcher.js";
import { HeldLeases } from "./held-leases.js";
import { type LongPoll, startLongPoll } from "./long-poll.js";
import { mergeWorkers } from "./merge-workers.js";
import { Outboxes } from "./outboxes.js";
import { PollAnswer } from "./poll-answer.js";
import { Pollers } from "./pollers.js";
import type { WorkerInfo } from "./worker-info.js";
import {
  checkCompletions,
  checkExtensions,
  checkFailures,
  checkPoll,
  checkReleases,
  checkStream,
  type FailureReport,
  type PollRequest,
  type ReleaseReport,
  type StreamRequest,
} from "./worker-requests.js";
import { WorkerStream, type WorkerStreamEvent } from "./worker-stream.js";

/** Dependencies of `RemoteWorkers`. */
export interface RemoteWorkersDeps {
  readonly leasing: Leasing;
  readonly work: ReadyWork;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ids: IdGenerator;
  /** Resolves to those of these queues that exist. Called when a worker names one that is not known here yet. */
  readonly queues: (names: readonly string[]) => Promise<readonly { readonly name: string }[]>;
}

/** Settings of `RemoteWorkers`. */
export interface RemoteWorkersOptions {
  /** How long a lease lasts when the worker names no length, ms. */
  readonly leaseMs: number;
}

/**
 * The workers outside of this process. They lease by streams and by polls, which share the wait lists of one
 * dispatcher, and settle by calls that need neither. The `violations` of an operation may already hold bad fields that
 * the caller found; the operation adds its own and refuses all of them together with FIELD_INVALID.
 */
export class RemoteWorkers {
  readonly #deps: RemoteWorkersDeps;
  readonly #options: RemoteWorkersOptions;
  readonly #dispatcher: Dispatcher;
  readonly #leases: HeldLeases;
  readonly #outboxes: Outboxes;
  readonly #release: BackgroundRelease;
  readonly #streams = new Set<WorkerStream>();
  readonly #pollers: Pollers;
  readonly #polls = new Set<LongPoll>();
  /** Waiting polls that have a request id, by worker and request id. */
  readonly #requests = new Map<string, LongPoll>();
  readonly #log: JobLog;
  #isDraining = false;
  #whenQuiet: (() => void) | undefined;

  constructor(deps: RemoteWorkersDeps, options: RemoteWorkersOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#dispatcher = new Dispatcher(deps);
    this.#leases = new HeldLeases(deps);
    this.#log = createJobLog(deps.logger);
    this.#outboxes = new Outboxes(this.#leases, deps.clock, deps.logger);
    this.#release = createBackgroundRelease(deps.leasing, deps.logger);
    this.#pollers = new Pollers(deps.clock, deps.ids);
  }

  /**
   * Leases jobs for a worker whenever it has room, until `signal` is aborted. FIELD_INVALID, QUEUE_NOT_FOUND,
   * SERVER_DRAINING; LEASE_LOST when a lease ran out and nothing was heard of the worker.
   */
  async *stream(
    request: StreamRequest,
    signal: AbortSignal,
    violations = new Violations(),
  ): AsyncGenerator<WorkerStreamEvent> {
    checkStream(violations, request);
    await this.#admit(request.queues);
    const { leasing, clock, logger, ids } = this.#deps;
    const { worker, queues, types, within, maxInFlight, leaseMs = this.#options.leaseMs } = request;
    const stream = new WorkerStream(
      ids.next(),
      { worker, queues, types, within, maxInFlight: maxInFlight || 1, leaseMs },
      clock.now(),
      {
        leasing,
        clock,
        logger,
        dispatcher: this.#dispatcher,
        leases: this.#leases,
        outboxes: this.#outboxes,
        release: this.#release,
        changed: (changed) => this.#streamChanged(changed),
      },
    );
    this.#streams.add(stream);
    yield* stream.events(signal);
  }

  /**
   * Resolves to leases of jobs that are ready, or waits up to `waitMs` for the first; none when the wait is over.
   * FIELD_INVALID, QUEUE_NOT_FOUND, SERVER_DRAINING.
   */
  async poll(request: PollRequest, signal: AbortSignal, violations = new Violations()): Promise<readonly Lease[]> {
    checkPoll(violations, request);
    await this.#admit(request.queues);
    const { worker, queues, types, within, leaseMs = this.#options.leaseMs } = request;
    const requestId = requestIdOf(request);
    const given = {
      worker,
      queues,
      types,
      within,
      leaseMs,
      requestId,
      maxJobs: request.maxJobs || 1,
      waitMs: request.waitMs ?? 0,
    };
    const leave = this.#pollers.enter(given);
    let leases: readonly Lease[] = [];
    try {
      if (requestId !== undefined) leases = await this.#answeredBefore(worker, requestId, leaseMs);
      if (leases.length === 0) leases = await this.#wait(given, requestId, signal);
    } finally {
      leave();
    }
    // The caller is gone, so nobody will run these jobs. With a request id they stay leased: a repeat gets them.
    if (signal.aborted && requestId === undefined) {
      this.#release(leases.map(({ job, token }) => ({ jobId: job.id, token })));
      return [];
    }
    for (const lease of leases) this.#leases.add(lease, this.#pollers.holder(worker));
    return leases;
  }

  /**
   * Call when the leases of a poll are about to be written to their worker, with its request; then `left` or `failed` of what it
   * returns. Without this they count as having reached it.
   */
  answering(leases: readonly Lease[], { leaseMs = this.#options.leaseMs, requestId }: PollRequest): PollAnswer {
    const held = leases.flatMap(({ job, token }) => this.#leases.find({ jobId: job.id, token }) ?? []);
    const answer = new PollAnswer(
      held,
      { leaseMs, isRepeatable: Boolean(requestId) },
      { ...this.#deps, leases: this.#leases, outboxes: this.#outboxes, release: this.#release },
    );
    this.#outboxes.add(answer);
    return answer;
  }

  /** Completes jobs. Resolves to one settlement for each item, in order. FIELD_INVALID. */
  async complete(items: readonly Completion[], violations = new Violations()): Promise<readonly Settlement[]> {
    checkCompletions(violations, items);
    return this.#settled(items, await this.#deps.leasing.complete(items));
  }

  /** Fails jobs. Resolves to one settlement for each item, in order. FIELD_INVALID. */
  async fail(items: readonly FailureReport[], violations = new Violations()): Promise<readonly Settlement[]> {
    const failures = checkFailures(violations, items);
    const settlements = await this.#deps.leasing.fail(failures);
    this.#log.failedElsewhere(items, settlements, failures);
    return this.#settled(items, settlements);
  }

  /** Extends leases and stores progress. Resolves to one result for each item, in order. FIELD_INVALID. */
  async extend(items: readonly Extension[], violations = new Violations()): Promise<readonly ExtendResult[]> {
    const extensions = checkExtensions(violations, items);
    const results = await this.#deps.leasing.extend(extensions);
    this.#leases.extended(extensions, results);
    return results;
  }

  /** Releases jobs. Resolves to one settlement for each item, in order. FIELD_INVALID. */
  async release(items: readonly ReleaseReport[], violations = new Violations()): Promise<readonly Settlement[]> {
    checkReleases(violations, items);
    return this.#settled(items, await this.#deps.leasing.release(items));
  }

  /** Returns the remote workers known now, in no particular order. */
  list(): readonly WorkerInfo[] {
    const streams = [...this.#streams].filter((stream) => !stream.isEnded).map((stream) => stream.info());
    return mergeWorkers(streams, this.#pollers.list());
  }

  /** Called with what was appended to the change log. */
  changed(batch: ChangeBatch): void {
    // Without leases here, the only change that matters is a cancel request that arrives before its lease.
    if (batch.concernsWorkers || this.#leases.size > 0) this.#leases.changed(batch.changes);
  }

  /**
   * Stops leasing: streams get a `drain` event with `closesInMs`, waiting polls end with SERVER_DRAINING, and new
   * streams and polls are refused. Settling goes on. Idempotent.
   */
  drain(closesInMs: number): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#dispatcher.close();
    for (const poll of [...this.#polls]) poll.end("DRAINING");
    for (const stream of [...this.#streams]) stream.drain(closesInMs);
  }

  /** Resolves when no open stream holds a lease any more, or after `timeoutMs`. */
  async quiet(timeoutMs: number): Promise<void> {
    if (timeoutMs <= 0 || this.#isQuiet()) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#whenQuiet = undefined;
        timer.cancel();
        resolve();
      };
      const timer = this.#deps.clock.setTimer(timeoutMs, done);
      this.#whenQuiet = done;
    });
  }

  /** Ends all streams with SERVER_DRAINING. Their leases are kept: the workers may go on at another server. */
  async stop(): Promise<void> {
    this.drain(0);
    for (const stream of [...this.#streams]) stream.stop();
    this.#leases.stop();
    this.#outboxes.stop();
    await this.#release.idle();
  }

  /** Throws SERVER_DRAINING while draining, and QUEUE_NOT_FOUND for a missing queue: its worker would wait for ever. */
  async #admit(queues: readonly string[]): Promise<void> {
    if (queues.some((name) => !this.#deps.work.knows(name))) {
      const names = new Set((await this.#deps.queues(queues)).map(({ name }) => name));
      const missing = queues.find((name) => !names.has(name));
      if (missing !== undefined) throw queueNotFound(missing);
    }
    if (this.#isDraining) throw serverDraining();
  }

  /**
   * Ends an earlier poll with this request id that still waits. Resolves to the leases that an earlier one got and that
   * are still held; `max: 0` leases no others.
   */
  #answeredBefore(worker: string, requestId: string, leaseMs: number): Promise<readonly Lease[]> {
    this.#requests.get(JSON.stringify([worker, requestId]))?.end("REPLACED");
    return this.#deps.leasing.lease({ queues: [], types: [], max: 0, leaseMs, worker, requestId });
  }

  /** Waits in line, where `drain` and a repeat of the poll can end it. */
  async #wait(
    request: Parameters<typeof startLongPoll>[2],
    requestId: string | undefined,
    signal: AbortSignal,
  ): Promise<readonly Lease[]> {
    if (this.#isDraining) throw serverDraining();
    const poll = startLongPoll(this.#dispatcher, this.#deps.clock, request, signal);
    const key = requestId === undefined ? undefined : JSON.stringify([request.worker, requestId]);
    this.#polls.add(poll);
    if (key !== undefined) this.#requests.set(key, poll);
    try {
      return await poll.leases;
    } finally {
      this.#polls.delete(poll);
      if (key !== undefined && this.#requests.get(key) === poll) this.#requests.delete(key);
    }
  }

  #settled(refs: readonly LeaseRef[], settlements: readonly Settlement[]): readonly Settlement[] {
    this.#leases.settled(refs);
    return settlements;
  }

  #streamChanged(stream: WorkerStream): void {
    if (stream.isOver) this.#streams.delete(stream);
    if (this.#whenQuiet !== undefined && this.#isQuiet()) this.#whenQuiet();
  }

  #isQuiet(): boolean {
    for (const stream of this.#streams) if (!stream.isQuiet) return false;
    return true;
  }
}

/** The request id of a poll. Workers that may reach other queues share none: one would be given the leases of the other. */
function requestIdOf({ requestId, within }: PollRequest): string | undefined {
  if (!requestId || within === undefined) return requestId || undefined;
  return `${createHash("sha256").update(within.key).digest("base64url").slice(0, 22)} ${requestId}`;
}
