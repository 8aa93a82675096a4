import type { Completion, Lease } from "../../../src/core/port/leases.js";
import type { PollRequest, StreamRequest } from "../../../src/core/remote/worker-requests.js";
import type { WorkerStreamEvent } from "../../../src/core/remote/worker-stream.js";
import { settle } from "../../support/fake-clock.js";
import { collect } from "./async.js";
import type { Fixture } from "./fixture.js";

/** What a remote test worker asks for by default. */
export const WORKER = { worker: "remote", queues: [], types: ["work"] };

/** A worker's stream, read as fast as it delivers. */
export interface OpenStream {
  readonly events: readonly WorkerStreamEvent[];
  /** Whether it has ended, and the error it ended with. */
  readonly end: { readonly ended: boolean; readonly error: unknown };
  /** The leases sent so far. */
  leases(): Lease[];
  /** The last lease sent; fails when there was none. */
  last(): Lease;
  /** The kinds of the messages so far. */
  kinds(): string[];
  /** The worker leaves: its stream is aborted. */
  leave(): Promise<void>;
}

/** Opens a stream and lets everything happen that follows. */
export async function openStream(fixture: Fixture, given: Partial<StreamRequest> = {}): Promise<OpenStream> {
  const controller = new AbortController();
  const request = { ...WORKER, maxInFlight: 1, ...given };
  const seen = collect(fixture.engine.remote.stream(request, controller.signal));
  await settle();
  const leases = () => seen.events.flatMap((event) => (event.kind === "lease" ? [event.lease] : []));
  return {
    events: seen.events,
    end: seen,
    leases,
    last() {
      const lease = leases().at(-1);
      if (lease === undefined) throw new Error("nothing was leased");
      return lease;
    },
    kinds: () => seen.events.map(({ kind }) => kind),
    async leave() {
      controller.abort();
      await settle();
    },
  };
}

/** A stream that is read message by message. */
export function slowStream(fixture: Fixture, given: Partial<StreamRequest> = {}) {
  const controller = new AbortController();
  const stream = fixture.engine.remote.stream({ ...WORKER, maxInFlight: 1000, ...given }, controller.signal);
  return {
    async next(): Promise<WorkerStreamEvent | undefined> {
      const { value } = await stream.next();
      await settle();
      return value;
    },
    /** Asks for the next message without waiting for it. */
    async ask(): Promise<void> {
      stream.next().catch(() => {});
      await settle();
    },
    async leave(): Promise<void> {
      controller.abort();
      await stream.return(undefined);
      await settle();
    },
  };
}

/** A poll under way. */
export interface OpenPoll {
  /** The answer; undefined until there is one. */
  answer: readonly Lease[] | undefined;
  error: unknown;
  leave(): Promise<void>;
}

/** Begins a poll and lets everything happen that follows. */
export async function openPoll(fixture: Fixture, given: Partial<PollRequest> = {}): Promise<OpenPoll> {
  const controller = new AbortController();
  const poll: OpenPoll = {
    answer: undefined,
    error: undefined,
    async leave() {
      controller.abort();
      await settle();
    },
  };
  fixture.engine.remote.poll({ ...WORKER, maxJobs: 1, waitMs: 60_000, ...given }, controller.signal).then(
    (leases) => {
      poll.answer = leases;
    },
    (error) => {
      poll.error = error;
    },
  );
  await settle();
  return poll;
}

/** The ids of leased jobs. */
export function idsOf(leases: readonly Lease[] | undefined): string[] | undefined {
  return leases?.map(({ job }) => job.id);
}

/** A completion of a lease. */
export function completion({ job, token }: Lease): Completion {
  return { jobId: job.id, token, result: undefined };
}

/** Completes leases and lets everything happen that follows. Returns the outcomes. */
export async function complete(fixture: Fixture, ...leases: readonly Lease[]): Promise<string[]> {
  const settlements = await fixture.engine.remote.complete(leases.map(completion));
  await settle();
  return settlements.map(({ outcome }) => outcome);
}
