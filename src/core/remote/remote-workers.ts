import { queueNotFound, serverDraining } from "../../model/errors.js";
import type { IdGenerator } from "../../model/ids.js";
import type { Logger } from "../../model/logger.js";
import { Violations } from "../../model/violations.js";
import type { ChangeBatch, Completion, ExtendResult, Extension, Lease, LeaseRef, Settlement } from "../backend.js";
import type { Clock } from "../clock.js";
import type { Leasing } from "../leasing.js";
import type { QueuePolicy, SelectorQueue } from "../selector.js";
import { type BackgroundRelease, createBackgroundRelease } from "./background-release.js";
import { Dispatcher } from "./dispatcher.js";
import { HeldLeases } from "./held-leases.js";
import { type LongPoll, startLongPoll } from "./long-poll.js";
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
  type StreamRequest,
} from "./worker-requests.js";
import { WorkerStream, type WorkerStreamEvent } from "./worker-stream.js";

/** What the remote workers of a server are made of. */
export interface RemoteWorkersDeps {
  readonly leasing: Leasing;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ids: IdGenerator;
  /** The names of all queues, asked for when one is not known here yet. */
  readonly queueNames: () => Promise<readonly SelectorQueue[]>;
}

/** Settings of them. */
export interface RemoteWorkersOptions {
  readonly queuePolicy: QueuePolicy;
  /** Length of a lease that asks for none, ms. */
  readonly leaseMs: number;
}

/**
 * Workers outside of this process. They lease by streams and by polls, all from one line, and settle by calls that need
 * neither. `violations` may bring bad fields violations before; each operation refuses all of them with FIELD_INVALID.
 */
export class RemoteWorkers {
  readonly #deps: RemoteWorkersDeps;
  readonly #options: RemoteWorkersOptions;
  readonly #dispatcher: Dispatcher;
  readonly #leases: HeldLeases;
  readonly #release: BackgroundRelease;
  readonly #streams = new Set<WorkerStream>();
  readonly #pollers: Pollers;
  readonly #polls = new Set<LongPoll>();
  /** Polls that wait, by worker and request id. */
  readonly #requests = new Map<string, LongPoll>();
  #isDraining = false;
  #whenQuiet: (() => void) | undefined;

  constructor(deps: RemoteWorkersDeps, options: RemoteWorkersOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#dispatcher = new Dispatcher(deps, options.queuePolicy);
    this.#leases = new HeldLeases(deps);
    this.#release = createBackgroundRelease(deps.leasing, deps.logger);
    this.#pollers = new Pollers(deps.clock, deps.ids);
  }

  /** Leases jobs for a worker as it has room for them. QUEUE_NOT_FOUND, SERVER_DRAINING. */
  async *stream(
    request: StreamRequest,
    signal: AbortSignal,
    violations = new Violations(),
  ): AsyncGenerator<WorkerStreamEvent> {
    checkStream(violations, request);
    await this.#admit(request.queues);
    const { leasing, clock, logger, ids } = this.#deps;
    const { worker, queues, types, maxInFlight, leaseMs = this.#options.leaseMs } = request;
    const stream = new WorkerStream(
      ids.next(),
      { worker, queues, types, maxInFlight: maxInFlight || 1, leaseMs },
      clock.now(),
      {
        leasing,
        clock,
        logger,
        dispatcher: this.#dispatcher,
        leases: this.#leases,
        release: this.#release,
        changed: (changed) => this.#streamChanged(changed),
      },
    );
    this.#streams.add(stream);
    yield* stream.events(signal);
  }

  /** Leases jobs that are ready, or waits for the first. QUEUE_NOT_FOUND, SERVER_DRAINING. */
  async poll(request: PollRequest, signal: AbortSignal, violations = new Violations()): Promise<readonly Lease[]> {
    checkPoll(violations, request);
    await this.#admit(request.queues);
    const { worker, queues, types, leaseMs = this.#options.leaseMs } = request;
    const requestId = request.requestId || undefined;
    const given = {
      worker,
      queues,
      types,
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
    // Nobody is there to take them; one who may come back for them finds them by the request id.
    if (signal.aborted && requestId === undefined) {
      this.#release(leases.map(({ job, token }) => ({ jobId: job.id, token })));
      return [];
    }
    for (const lease of leases) this.#leases.add(lease, this.#pollers.holder(worker));
    return leases;
  }

  /** Ends leases with success. */
  async complete(items: readonly Completion[], violations = new Violations()): Promise<readonly Settlement[]> {
    checkCompletions(violations, items);
    return this.#settled(items, await this.#deps.leasing.complete(items));
  }

  /** Ends leases with failure. */
  async fail(items: readonly FailureReport[], violations = new Violations()): Promise<readonly Settlement[]> {
    const failures = checkFailures(violations, items);
    return this.#settled(items, await this.#deps.leasing.fail(failures));
  }

  /** Moves the ends of leases, and keeps progress. */
  async extend(items: readonly Extension[], violations = new Violations()): Promise<readonly ExtendResult[]> {
    const extensions = checkExtensions(violations, items);
    const results = await this.#deps.leasing.extend(extensions);
    this.#leases.extended(extensions, results);
    return results;
  }

  /** Gives jobs back. */
  async release(items: readonly LeaseRef[], violations = new Violations()): Promise<readonly Settlement[]> {
    checkReleases(violations, items);
    return this.#settled(items, await this.#deps.leasing.release(items));
  }

  /** How many streams are open, and how many workers poll. */
  get counts(): { readonly streams: number; readonly polls: number } {
    let streams = 0;
    for (const stream of this.#streams) if (!stream.isEnded) streams++;
    return { streams, polls: this.#pollers.list().length };
  }

  /** The workers known now, in no order. */
  list(): readonly WorkerInfo[] {
    const streams = [...this.#streams].filter((stream) => !stream.isEnded).map((stream) => stream.info());
    return [...streams, ...this.#pollers.list()];
  }

  /** Jobs of this queue may be ready. */
  ready(queue: string): void {
    this.#dispatcher.ready(queue);
  }

  /** Changes were appended to the log. */
  changed(batch: ChangeBatch): void {
    // Without leases here, only a cancel that overtakes its lease matters.
    if (batch.concernsWorkers || this.#leases.size > 0) this.#leases.changed(batch.changes);
  }

  /** Takes the queues there are now. */
  update(queues: readonly SelectorQueue[]): void {
    this.#dispatcher.update(queues);
  }

  /** Leases no more: streams are told, polls end, new ones are refused. Settling goes on. Idempotent. */
  drain(closesInMs: number): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#dispatcher.close();
    for (const poll of [...this.#polls]) poll.end("DRAINING");
    for (const stream of [...this.#streams]) stream.drain(closesInMs);
  }

  /** Resolves when no open stream has an unfinished lease, or after `timeoutMs`. */
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

  /** Ends all streams with SERVER_DRAINING. Their leases stay: their workers may go on at another server. */
  async stop(): Promise<void> {
    this.drain(0);
    for (const stream of [...this.#streams]) stream.stop();
    this.#leases.stop();
    await this.#release.idle();
  }

  /** Refuses new workers while the server drains, and queues that do not exist: their workers would wait for ever. */
  async #admit(queues: readonly string[]): Promise<void> {
    if (queues.some((name) => !this.#dispatcher.knows(name))) {
      const names = new Set((await this.#deps.queueNames()).map(({ name }) => name));
      const missing = queues.find((name) => !names.has(name));
      if (missing !== undefined) throw queueNotFound(missing);
    }
    if (this.#isDraining) throw serverDraining();
  }

  #answeredBefore(worker: string, requestId: string, leaseMs: number): Promise<readonly Lease[]> {
    this.#requests.get(JSON.stringify([worker, requestId]))?.end("REPLACED");
    return this.#deps.leasing.lease({ queues: [], types: [], max: 0, leaseMs, worker, requestId });
  }

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
