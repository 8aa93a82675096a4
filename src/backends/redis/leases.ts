import type {
  Completion,
  ExtendResult,
  Extension,
  Failure,
  Lease,
  LeaseRef,
  LeaseRequest,
  Outcome,
  Settlement,
} from "../../core/backend.js";
import { LIMITS } from "../../core/limits.js";
import { cutText } from "../../core/text.js";
import { Coalescer } from "./coalescer.js";
import type { Arg, Reply } from "./connection.js";
import { readLeased, statusOf, writeResult } from "./layout.js";
import type { Locations } from "./locations.js";
import { type QueueCalls, text } from "./queue-calls.js";
import type { ReadyQueues } from "./ready-queues.js";

/** Jobs of one script call: leasing is the most work a job. */
const LEASE_BATCH = 250;
const SETTLE_BATCH = 500;

type SettleName = "complete" | "fail" | "release";

/** What the leases stand on. */
export interface LeasesDeps {
  readonly calls: QueueCalls;
  readonly locations: Locations;
  readonly ready: ReadyQueues;
  /** Names of all queues. */
  readonly queues: () => readonly string[];
  readonly isQueue: (name: string) => boolean;
  /** Text that no other server has: tokens begin with it. */
  readonly nonce: string;
}

/**
 * Leases and settles. The token of a lease tells its queue, as `<token>@<queue>`; the scripts see the first part only.
 * Writes of one kind and queue that are under way at the same time share a script call.
 */
export class Leases {
  readonly #deps: LeasesDeps;
  readonly #writes = new Map<string, Coalescer<readonly Arg[], Reply[]>>();
  #count = 0;

  constructor(deps: LeasesDeps) {
    this.#deps = deps;
  }

  async lease({ queues, types, max, leaseMs, worker }: LeaseRequest): Promise<Lease[]> {
    const { calls, ready } = this.#deps;
    const leases: Lease[] = [];
    if (types.length === 0) return leases;
    for (const queue of queues) {
      while (leases.length < max) {
        // A queue that had none for these types is asked again when it is told to have some.
        const look = ready.look(queue, types);
        if (look === undefined) break;
        const count = Math.min(max - leases.length, LEASE_BATCH);
        const token = `${this.#deps.nonce}${(this.#count++).toString(36)}.`;
        const args = [count, leaseMs, worker, token, ...types];
        const { rest } = await calls.call("lease", queue, args, { repeatable: false });
        for (let at = 0; at < rest.length; at += 4) {
          const [id, spec, shown, errors] = rest.slice(at, at + 4) as [Buffer, Buffer, Buffer, Buffer];
          const job = readLeased(id.toString(), queue, spec, shown, errors);
          leases.push({ job, token: `${token}${at / 4 + 1}@${queue}`, expiresInMs: leaseMs });
        }
        if (rest.length / 4 < count) {
          look.hadNone();
          break;
        }
      }
      if (leases.length >= max) break;
    }
    return leases;
  }

  complete(items: readonly Completion[]): Promise<Settlement[]> {
    return this.#settle("complete", items, ({ result }) => [writeResult(result)]);
  }

  fail(items: readonly Failure[]): Promise<Settlement[]> {
    return this.#settle("fail", items, ({ error, retry, jitter }) => {
      const entry = cutText(error, LIMITS.attemptErrorLength);
      const start = cutText(error, LIMITS.changeErrorLength);
      const mode = retry === "NEVER" ? "n" : retry === "DEFAULT" ? `b${jitter}` : `+${retry.afterMs}`;
      return [error, entry === error ? "" : entry, start === entry ? "" : start, mode];
    });
  }

  release(items: readonly LeaseRef[]): Promise<Settlement[]> {
    return this.#settle("release", items, () => []);
  }

  async extend(items: readonly Extension[]): Promise<ExtendResult[]> {
    const replies = await this.#write("extend", items, 2, ({ leaseMs, progress }) => [
      leaseMs ?? "",
      progress?.percent ?? "",
      progress?.message ?? "",
    ]);
    return replies.map(([code, expiresInMs]) => {
      const letter = text(code);
      const outcome = letter === "O" ? "OK" : letter === "R" ? "CANCEL_REQUESTED" : "LEASE_LOST";
      return { outcome, expiresInMs: outcome === "LEASE_LOST" ? 0 : Math.floor(Number(expiresInMs)) };
    });
  }

  async #settle<T extends LeaseRef>(
    name: SettleName,
    items: readonly T[],
    argsOf: (item: T) => readonly Arg[],
  ): Promise<Settlement[]> {
    const replies = await this.#write(name, items, 1, argsOf);
    return replies.map(([reply], at) => readSettlement(text(reply), this.#queueOf(items[at] as T) ?? ""));
  }

  /** Sends each item to its queue, and puts the answers, of `width` parts each, in the order of the items. */
  async #write<T extends LeaseRef>(
    name: SettleName | "extend",
    items: readonly T[],
    width: number,
    argsOf: (item: T) => readonly Arg[],
  ): Promise<Reply[][]> {
    const answers: Reply[][] = new Array(items.length);
    const send = async (places: ReadonlyMap<string, readonly number[]>) => {
      await Promise.all(
        [...places].map(async ([queue, ats]) => {
          const args = ats.flatMap((at) => {
            const item = items[at] as T;
            return [item.jobId, tokenOf(item), ...argsOf(item)];
          });
          const replies = await this.#coalescer(name, queue, width).add(args, ats.length);
          ats.forEach((at, index) => {
            const answer = replies.slice(index * width, (index + 1) * width);
            const isKnown = answers[at] !== undefined && text(answers[at][0]) !== "N";
            if (!isKnown) answers[at] = answer;
          });
        }),
      );
    };
    await send(groupBy(items, (item) => this.#queueOf(item)));
    // A token of another job, or a made-up one, may name the wrong queue.
    const elsewhere = items.flatMap((item, at) => {
      const answer = answers[at];
      if (answer !== undefined && text(answer[0]) !== "N") return [];
      answers[at] ??= ["N", 0].map((part) => (typeof part === "string" ? Buffer.from(part) : part));
      if (this.#deps.locations.of(item.jobId) !== undefined) return [];
      const others = this.#deps.queues().filter((queue) => queue !== this.#queueOf(item));
      return others.map((queue) => [queue, at] as const);
    });
    if (elsewhere.length > 0) {
      const places = new Map<string, number[]>();
      for (const [queue, at] of elsewhere) places.set(queue, [...(places.get(queue) ?? []), at]);
      await send(places);
    }
    return answers;
  }

  /** The queue of a job: as it is remembered, or as its token names it, if there is one of this name. */
  #queueOf({ jobId, token }: LeaseRef): string | undefined {
    const known = this.#deps.locations.of(jobId);
    if (known !== undefined) return known;
    const queue = token.slice(token.lastIndexOf("@") + 1);
    return this.#deps.isQueue(queue) ? queue : undefined;
  }

  #coalescer(name: SettleName | "extend", queue: string, width: number): Coalescer<readonly Arg[], Reply[]> {
    const key = `${name} ${queue}`;
    let coalescer = this.#writes.get(key);
    if (coalescer === undefined) {
      const run = async (items: readonly (readonly Arg[])[]) => {
        const { rest } = await this.#deps.calls.call(name, queue, items.flat());
        if (coalescer?.isIdle) this.#writes.delete(key);
        let from = 0;
        return items.map((args) => {
          const count = (args.length / ARGS[name]) * width;
          from += count;
          return rest.slice(from - count, from) as Reply[];
        });
      };
      coalescer = new Coalescer(run, SETTLE_BATCH);
      this.#writes.set(key, coalescer);
    }
    return coalescer;
  }
}

/** Arguments of each item. */
const ARGS: Readonly<Record<SettleName | "extend", number>> = { complete: 3, fail: 6, release: 2, extend: 5 };

function tokenOf({ token }: LeaseRef): string {
  const at = token.lastIndexOf("@");
  return at < 0 ? "" : token.slice(0, at);
}

/** Places of items by queue; those without one are left out. */
function groupBy<T>(items: readonly T[], queueOf: (item: T) => string | undefined): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  items.forEach((item, at) => {
    const queue = queueOf(item);
    if (queue === undefined) return;
    const group = groups.get(queue);
    if (group === undefined) groups.set(queue, [at]);
    else group.push(at);
  });
  return groups;
}

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  N: "LEASE_LOST",
  L: "LEASE_LOST",
  C: "CANCELED",
  R: "ALREADY_APPLIED",
};

function readSettlement(answer: string, queue: string): Settlement {
  const [letter = "", status, durationMs, ...type] = answer.split(" ");
  if (status === undefined) return { outcome: OUTCOMES[letter] ?? "LEASE_LOST" };
  return {
    outcome: letter === "C" ? "CANCELED" : "APPLIED",
    applied: { queue, type: type.join(" "), status: statusOf(status), durationMs: Number(durationMs) },
  };
}
