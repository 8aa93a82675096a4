import type {
  Completion,
  ExtendResult,
  Extension,
  Failure,
  Lease,
  LeaseRef,
  LeaseRequest,
  Settlement,
} from "../../../core/backend.js";
import { numberOf, queueOf } from "../../../model/ids.js";
import { type Job, jobBytes } from "../../../model/job.js";
import { LIMITS } from "../../../model/limits.js";
import type { Outcome } from "../../../model/outcome.js";
import { cutText } from "../../../model/text.js";
import { linesOf, readJob, readLeased, statusOf, writeResult } from "../layout/codec.js";
import { Coalescers } from "../link/coalescer.js";
import type { Arg } from "../link/connection.js";
import { type QueueCalls, text } from "../queues/queue-calls.js";
import type { ReadyQueues } from "../queues/ready-queues.js";
import { type RefusedQueues, skipRefusal } from "../queues/refused-queues.js";

/** Most jobs of one script call; fewer for leasing, which is the most work for each job. */
const LEASE_BATCH = 250;
const SETTLE_BATCH = 500;

/** `=`: first byte of the answer to a repeated lease call. */
const REPEAT = 0x3d;

/** Number of values of each lease in that answer: five of the job, the token, and ms until the lease ends. */
const RECALLED_PARTS = 7;

type WriteName = "complete" | "fail" | "release" | "extend";

/** Arguments of `count` jobs for one script. */
interface Write {
  readonly args: readonly Arg[];
  readonly count: number;
}

/** Dependencies of the leases. */
export interface LeasesDeps {
  readonly calls: QueueCalls;
  readonly ready: ReadyQueues;
  readonly refused: RefusedQueues;
  /** Names of all queues, as last read. */
  readonly queues: () => readonly string[];
  /** Start of every token; unique among all servers. */
  readonly nonce: string;
}

/**
 * Leases, settles and extends. A token is `<lease call>.<number of the job>`; the scripts see only the first part.
 * Concurrent writes of one kind to one queue share a script call.
 */
export class Leases {
  readonly #deps: LeasesDeps;
  readonly #writes = new Coalescers<Write, string[]>(SETTLE_BATCH);
  #count = 0;

  constructor(deps: LeasesDeps) {
    this.#deps = deps;
  }

  /** Leases ready jobs, queue by queue in the order of the request. See `LeaseRequest` for repeats. */
  async lease(request: LeaseRequest): Promise<Lease[]> {
    const { queues, types, max, maxBytes = Number.POSITIVE_INFINITY, requestId, worker } = request;
    const { ready, refused } = this.#deps;
    const call = requestId === undefined ? "" : JSON.stringify([worker, requestId]);
    const held = call === "" ? [] : await this.#recall(call);
    if (held.length > 0) return held;
    const leases: Lease[] = [];
    if (types.length === 0) return leases;
    let bytes = 0;
    for (const queue of queues) {
      if (refused.msLeft(queue) > 0) continue;
      while (leases.length < max && bytes < maxBytes) {
        // A queue that had no jobs of these types is tried again only when some may be ready there.
        const look = ready.look(queue, types);
        if (look === undefined) break;
        const count = Math.min(max - leases.length, LEASE_BATCH);
        const found = await this.#leaseFrom(queue, request, count, maxBytes - bytes, call).catch(skipRefusal);
        if (found === undefined) break;
        if (found.isRepeat) return this.#recall(call);
        for (const lease of found.leases) {
          leases.push(lease);
          if (maxBytes !== Number.POSITIVE_INFINITY) bytes += jobBytes(lease.job);
        }
        if (found.isFull) return leases;
        if (found.leases.length < count) {
          look.hadNone();
          break;
        }
        // The answer of only one script call is remembered for a repeat.
        if (call !== "") return leases;
      }
      if (leases.length >= max || bytes >= maxBytes) break;
    }
    return leases;
  }

  async #leaseFrom(
    queue: string,
    { types, leaseMs, worker }: LeaseRequest,
    count: number,
    maxBytes: number,
    call: string,
  ): Promise<{ readonly leases: readonly Lease[]; readonly isFull: boolean; readonly isRepeat: boolean }> {
    const token = this.#deps.nonce + (this.#count++).toString(36);
    const bytes = maxBytes === Number.POSITIVE_INFINITY ? "" : maxBytes;
    const args = [count, leaseMs, worker, token, bytes, call, ...types];
    const { rest } = await this.#deps.calls.call("lease", queue, args, { repeatable: call !== "" });
    const [message, ...parts] = rest as Buffer[];
    if (message === undefined || parts.length === 0) return { leases: [], isFull: false, isRepeat: false };
    if (message[0] === REPEAT) return { leases: [], isFull: false, isRepeat: true };
    const [, ...records] = linesOf(message.toString());
    const leases = records.map((record, at): Lease => {
      const job = readLeased(queue, record, parts[at * 2] as Buffer, parts[at * 2 + 1] as Buffer);
      return { job, token: tokenFor(job, token), expiresInMs: leaseMs };
    });
    return { leases, isFull: parts.length % 2 === 1, isRepeat: false };
  }

  /** The leases that an earlier call with this request id got, in any queue, and that are still held. */
  async #recall(call: string): Promise<Lease[]> {
    const queues = this.#deps.queues();
    const answers = await Promise.all(
      queues.map((queue) => this.#deps.calls.call("recall", queue, [call]).catch(skipRefusal)),
    );
    return answers.flatMap(({ rest } = { now: 0, rest: [] }, index): Lease[] => {
      const queue = queues[index] as string;
      const leases: Lease[] = [];
      for (let at = 1; at < rest.length; at += RECALLED_PARTS) {
        const job = readJob(queue, rest.slice(at, at + RECALLED_PARTS - 2) as Buffer[]);
        const token = tokenFor(job, text(rest[at + RECALLED_PARTS - 2]));
        leases.push({ job, token, expiresInMs: Number(rest[at + RECALLED_PARTS - 1]) });
      }
      return leases;
    });
  }

  complete(items: readonly Completion[]): Promise<Settlement[]> {
    return this.#settle("complete", items, (args, { result }) => args.push(writeResult(result)));
  }

  fail(items: readonly Failure[]): Promise<Settlement[]> {
    return this.#settle("fail", items, (args, { error, retry, jitter }) => {
      const entry = cutText(error, LIMITS.attemptErrorLength);
      const start = cutText(error, LIMITS.changeErrorLength);
      const mode = retry === "NEVER" ? "n" : retry === "DEFAULT" ? `b${jitter}` : `+${retry.afterMs}`;
      args.push(error, entry === error ? "" : entry, start === entry ? "" : start, mode);
    });
  }

  release(items: readonly LeaseRef[]): Promise<Settlement[]> {
    return this.#settle("release", items, () => {});
  }

  async extend(items: readonly Extension[]): Promise<ExtendResult[]> {
    const lines = await this.#write("extend", items, (args, { leaseMs, progress }) =>
      args.push(leaseMs ?? "", progress?.percent ?? "", progress?.message ?? ""),
    );
    return lines.map((line) => {
      const [letter, expiresInMs] = line.split(" ");
      if (expiresInMs === undefined) return { outcome: "LEASE_LOST", expiresInMs: 0 };
      return { outcome: letter === "O" ? "OK" : "CANCEL_REQUESTED", expiresInMs: Number(expiresInMs) };
    });
  }

  async #settle<T extends LeaseRef>(
    name: WriteName,
    items: readonly T[],
    addArgs: (args: Arg[], item: T) => void,
  ): Promise<Settlement[]> {
    const lines = await this.#write(name, items, addArgs);
    return lines.map((line, at) => {
      return line.length === 1
        ? { outcome: OUTCOMES[line] ?? "LEASE_LOST" }
        : readApplied(line, queueOf((items[at] as T).jobId));
    });
  }

  /** Sends each item to its queue; resolves to one line for each item, in order. */
  async #write<T extends LeaseRef>(
    name: WriteName,
    items: readonly T[],
    addArgs: (args: Arg[], item: T) => void,
  ): Promise<string[]> {
    const answers: string[] = new Array(items.length);
    const byQueue = new Map<string, number[]>();
    items.forEach(({ jobId }, at) => {
      const queue = queueOf(jobId);
      const places = byQueue.get(queue);
      if (places === undefined) byQueue.set(queue, [at]);
      else places.push(at);
    });
    await Promise.all(
      [...byQueue].map(async ([queue, places]) => {
        const args: Arg[] = [];
        for (const at of places) {
          const item = items[at] as T;
          const number = numberOf(item.jobId);
          args.push(number, tokenOf(item, number));
          addArgs(args, item);
        }
        const share = (writes: readonly Write[]) => this.#send(name, queue, writes);
        const write = { args, count: places.length };
        const lines = await this.#writes.add(`${name} ${queue}`, share, write, places.length);
        places.forEach((at, index) => {
          answers[at] = lines[index] as string;
        });
      }),
    );
    return answers;
  }

  async #send(name: WriteName, queue: string, writes: readonly Write[]): Promise<string[][]> {
    const { rest } = await this.#deps.calls.call(
      name,
      queue,
      writes.length === 1 ? (writes[0] as Write).args : writes.flatMap(({ args }) => args),
    );
    const lines = text(rest[0]).split("\n");
    let from = 0;
    return writes.map(({ count }) => {
      from += count;
      return lines.slice(from - count, from);
    });
  }
}

/** The token of a job that a lease call got. */
function tokenFor({ id }: Job, call: string): string {
  return `${call}.${numberOf(id)}`;
}

/** The part of a token that the scripts see; "" for the token of another job. */
function tokenOf({ token }: LeaseRef, number: string): string {
  const dot = token.indexOf(".");
  return dot > 0 && token.slice(dot + 1) === number ? token.slice(0, dot) : "";
}

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  N: "LEASE_LOST",
  L: "LEASE_LOST",
  C: "CANCELED",
  R: "ALREADY_APPLIED",
};

/** Parses `A|C <status> <duration ms> <type as JSON>`. */
function readApplied(line: string, queue: string): Settlement {
  const end = line.indexOf(" ", 4);
  return {
    outcome: line.startsWith("C") ? "CANCELED" : "APPLIED",
    applied: {
      queue,
      type: JSON.parse(line.slice(end + 1)),
      status: statusOf(line[2] as string),
      durationMs: Number(line.slice(4, end)),
    },
  };
}
