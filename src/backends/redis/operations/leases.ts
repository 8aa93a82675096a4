import type { ExpiredJob } from "../../../core/backend.js";
import type { Clock } from "../../../core/clock.js";
import type { Lease, LeaseRequest } from "../../../core/port/leases.js";
import { isUnavailable } from "../../../model/common/errors.js";
import { type Job, jobBytes } from "../../../model/job/job.js";
import { numberOf } from "../../../model/queue/ids.js";
import { readJob, readLeased } from "../layout/codec.js";
import { linesOf, readChanges } from "../layout/codec-state.js";
import type { Reply } from "../link/connection.js";
import type { Memo } from "../queues/memo-slots.js";
import { type QueueCalls, text } from "../queues/queue-calls.js";
import { type RefusedQueues, skipRefusal } from "../queues/refused-queues.js";
import type { Polls } from "./polls.js";

/** Most jobs of one script call; few, as leasing is the most work for each job. */
const BATCH = 250;

/** Bytes of jobs after which one script call takes no more: its answer is to leave room for others on the connection. */
const BATCH_BYTES = 4 * 2 ** 20;

/** Longest that leases wait for queues asked after theirs, ms: they run already. */
const HAND_ON_MS = 50;

/** Wait before leases whose answer was lost are given back, and before that is tried again, ms. */
const GIVE_BACK_MS = 1000;

/** `=`: first byte of the answer to a repeated lease call. */
const REPEAT = 0x3d;

/** Number of values of each lease in that answer: five of the job, the token, and ms until the lease ends. */
const RECALLED_PARTS = 7;

/** Dependencies of the leases. */
export interface LeasesDeps {
  readonly calls: QueueCalls;
  readonly polls: Polls;
  readonly refused: RefusedQueues;
  readonly clock: Clock;
  /** Start of every token; unique among all servers. */
  readonly nonce: string;
  /** Told the jobs that a lease call found expired. */
  readonly expired: (jobs: readonly ExpiredJob[]) => void;
}

/** What one lease call got. */
interface Found {
  readonly leases: readonly Lease[];
  /** Whether it stopped at the most bytes. */
  readonly isFull: boolean;
  /** Whether the call was run before: these are the leases of that time which are still held. */
  readonly isRepeat: boolean;
}

/** A lease call whose answer was lost for good: nobody has its leases. */
interface Lost {
  readonly queue: string;
  readonly token: string;
  readonly memo: Memo;
}

/**
 * Leases jobs. A token is `<lease call>.<number of the job>`; the scripts see only the first part.
 *
 * A lease call is repeated after a lost answer, and gets the same leases. When that fails too, its leases are given back as
 * soon as Redis answers again, as if they had never been. Those of a poll with a request id stay: its repeat gets them, at any
 * server.
 */
export class Leases {
  readonly #deps: LeasesDeps;
  #count = 0;

  constructor(deps: LeasesDeps) {
    this.#deps = deps;
  }

  /** Leases ready jobs, queue by queue in the order of the request. See `LeaseRequest` for repeats. */
  lease(request: LeaseRequest): Promise<Lease[]> {
    const { requestId, worker } = request;
    return requestId === undefined
      ? this.#leaseReady(request)
      : this.#poll(request, JSON.stringify([worker, requestId]));
  }

  /** A queue that fails takes nothing from the others: the call fails only when none of them gave a job. */
  async #leaseReady(request: LeaseRequest): Promise<Lease[]> {
    const { max, maxBytes = Number.POSITIVE_INFINITY } = request;
    const { clock } = this.#deps;
    const taken: { readonly lease: Lease; readonly sentAt: number }[] = [];
    let bytes = 0;
    let failure: { readonly error: unknown } | undefined;
    const over = new Set<string>();
    for (const queue of this.#looks(request, over)) {
      const sentAt = clock.monotonic();
      if (taken[0] !== undefined && sentAt - taken[0].sentAt >= HAND_ON_MS) break;
      const count = Math.min(max - taken.length, BATCH);
      let found: Found | undefined;
      try {
        found = await this.#call(queue, request, count, maxBytes - bytes).catch(skipRefusal);
      } catch (error) {
        failure ??= { error };
        over.add(queue);
        if (taken.length > 0) break;
      }
      if (found === undefined) {
        over.add(queue);
        continue;
      }
      for (const lease of found.leases) {
        taken.push({ lease, sentAt });
        if (maxBytes !== Number.POSITIVE_INFINITY) bytes += jobBytes(lease.job);
      }
      if (found.leases.length < count && !found.isFull && !found.isRepeat) {
        over.add(queue);
        request.emptied?.(queue);
      }
      // One that is full by the bytes of a script call only is asked again.
      if (taken.length >= max || bytes >= maxBytes || (found.isFull && maxBytes - bytes < BATCH_BYTES)) break;
    }
    if (taken.length === 0 && failure !== undefined) throw failure.error;
    const now = clock.monotonic();
    return taken.map(({ lease, sentAt }) => aged(lease, now - sentAt));
  }

  /** `call` names the poll. The leases of one script call are its answer: only these are remembered. */
  async #poll(request: LeaseRequest, call: string): Promise<Lease[]> {
    const { max, maxBytes = Number.POSITIVE_INFINITY, leaseMs } = request;
    const claim = this.#deps.polls.claim(call, leaseMs);
    const over = new Set<string>();
    for (const queue of this.#looks(request, over)) {
      const token = this.#token();
      const earlier = await claim.next({ queue, token }, (kept) => this.#recall(kept.queue, kept.token));
      if (earlier.length > 0) return earlier;
      const count = Math.min(max, BATCH);
      const sentAt = this.#deps.clock.monotonic();
      const found = await this.#send(queue, request, count, maxBytes, token).catch(skipRefusal);
      // A repeat whose leases are over by now leases anew.
      if (found?.isRepeat !== true) over.add(queue);
      if (found === undefined) continue;
      const age = this.#deps.clock.monotonic() - sentAt;
      if (found.leases.length < count && !found.isFull && !found.isRepeat) request.emptied?.(queue);
      if (found.leases.length > 0) return found.leases.map((lease) => aged(lease, age));
    }
    return claim.isMade ? [] : claim.next(undefined, (kept) => this.#recall(kept.queue, kept.token));
  }

  /** The queues to ask, each until it is `over`. Those that this server is too old for are left alone. */
  *#looks({ queues, types, max }: LeaseRequest, over: ReadonlySet<string>) {
    if (types.length === 0 || max === 0) return;
    for (const queue of queues) {
      while (this.#deps.refused.msLeft(queue) === 0 && !over.has(queue)) yield queue;
    }
  }

  #token(): string {
    return this.#deps.nonce + (this.#count++).toString(36);
  }

  /** Leases without a request id. The leases of a call whose answer is lost for good are given back later. */
  async #call(queue: string, request: LeaseRequest, count: number, maxBytes: number): Promise<Found> {
    const { calls } = this.#deps;
    const token = this.#token();
    const memo = calls.memos.take(queue);
    try {
      const found = await this.#send(queue, request, count, maxBytes, token, memo);
      calls.memos.release(queue, memo);
      return found;
    } catch (error) {
      if (isUnavailable(error)) this.#giveBackLater({ queue, token, memo });
      else calls.memos.release(queue, memo);
      throw error;
    }
  }

  /** `memo`: where Redis remembers the leases; without one it remembers them by the token. */
  async #send(
    queue: string,
    { types, leaseMs, worker }: LeaseRequest,
    count: number,
    maxBytes: number,
    token: string,
    memo?: Memo,
  ): Promise<Found> {
    const args = [
      count,
      leaseMs,
      worker,
      token,
      Math.min(maxBytes, BATCH_BYTES),
      memo === undefined ? 1 : "",
      ...types,
    ];
    const { rest } = await this.#deps.calls.call("lease", queue, args, { memo });
    const [message, ...parts] = rest as Buffer[];
    if (message?.[0] === REPEAT) return { leases: readRecalled(queue, rest), isFull: false, isRepeat: true };
    if (message === undefined) return { leases: [], isFull: false, isRepeat: false };
    const [, ...all] = linesOf(message.toString());
    const expired = all.length - Math.floor(parts.length / 2);
    if (expired > 0) this.#deps.expired(readExpired(queue, all.slice(0, expired)));
    const records = expired > 0 ? all.slice(expired) : all;
    const leases = records.map((record, at): Lease => {
      const job = readLeased(queue, record, parts[at * 2] as Buffer, parts[at * 2 + 1] as Buffer);
      return { job, token: tokenFor(job, token), expiresInMs: leaseMs };
    });
    return { leases, isFull: parts.length % 2 === 1, isRepeat: false };
  }

  /** The leases with this token that are still held. When there are none, there never will be. */
  async #recall(queue: string, token: string): Promise<Lease[]> {
    const answer = await this.#deps.calls.call("recall", queue, [token]).catch(skipRefusal);
    return answer === undefined ? [] : readRecalled(queue, answer.rest);
  }

  #giveBackLater(lost: Lost): void {
    const { clock, calls } = this.#deps;
    clock.setTimer(GIVE_BACK_MS, async () => {
      try {
        await calls.call("giveBack", lost.queue, [lost.token], { memo: lost.memo });
        calls.memos.release(lost.queue, lost.memo);
      } catch (error) {
        if (isUnavailable(error) && !calls.isStopped) this.#giveBackLater(lost);
        else calls.memos.release(lost.queue, lost.memo);
      }
    });
  }
}

/** The jobs that a lease call found expired. */
function readExpired(queue: string, records: readonly string[]): ExpiredJob[] {
  return readChanges(queue, 0, `${records.join("\n")}\n`).map(({ jobId, type }) => ({ jobId, queue, type }));
}

/** A lease so many ms after its call was sent: it began no sooner, so what is left of it is rather told too short. */
function aged(lease: Lease, ms: number): Lease {
  return { ...lease, expiresInMs: Math.max(0, Math.floor(lease.expiresInMs - ms)) };
}

/** Reads the answer of a repeat. */
function readRecalled(queue: string, rest: readonly Reply[]): Lease[] {
  const leases: Lease[] = [];
  for (let at = 1; at < rest.length; at += RECALLED_PARTS) {
    const job = readJob(queue, rest.slice(at, at + RECALLED_PARTS - 2) as Buffer[]);
    const token = tokenFor(job, text(rest[at + RECALLED_PARTS - 2]));
    leases.push({ job, token, expiresInMs: Number(rest[at + RECALLED_PARTS - 1]) });
  }
  return leases;
}

/** The token of a job that a lease call got. */
function tokenFor({ id }: Job, call: string): string {
  return `${call}.${numberOf(id)}`;
}
