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
import type { Arg } from "./connection.js";
import { readLeased, statusOf, writeResult } from "./layout.js";
import type { Locations } from "./locations.js";
import { type QueueCalls, text } from "./queue-calls.js";
import type { ReadyQueues } from "./ready-queues.js";

/** Jobs of one script call: leasing is the most work a job. */
const LEASE_BATCH = 250;
const SETTLE_BATCH = 500;

/** `E`: what the errors of a leased job begin with. */
const ERRORS = 0x45;

type WriteName = "complete" | "fail" | "release" | "extend";

/** Arguments of some jobs for one script. */
interface Write {
  readonly args: readonly Arg[];
  readonly count: number;
}

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
  readonly #writes = new Map<string, Coalescer<Write, string[]>>();
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
        let found = 0;
        for (let at = 0; at < rest.length; ) {
          const spec = rest[at++] as Buffer;
          // A spec and a record begin with digits, errors with a letter.
          const errors = (rest[at] as Buffer)[0] === ERRORS ? (rest[at++] as Buffer).subarray(1) : undefined;
          const job = readLeased(queue, spec, text(rest[at++]), errors);
          leases.push({ job, token: `${token}${++found}@${queue}`, expiresInMs: leaseMs });
        }
        if (found < count) {
          look.hadNone();
          break;
        }
      }
      if (leases.length >= max) break;
    }
    return leases;
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
        : readApplied(line, this.#queueOf(items[at] as T));
    });
  }

  /** Sends each item to its queue, and answers a line of each, in order. */
  async #write<T extends LeaseRef>(
    name: WriteName,
    items: readonly T[],
    addArgs: (args: Arg[], item: T) => void,
  ): Promise<string[]> {
    const answers: string[] = new Array(items.length).fill(UNKNOWN);
    const send = async (queue: string, places: readonly number[]) => {
      const args: Arg[] = [];
      for (const at of places) {
        const item = items[at] as T;
        args.push(item.jobId, tokenOf(item));
        addArgs(args, item);
      }
      const lines = await this.#coalescer(name, queue).add({ args, count: places.length }, places.length);
      places.forEach((at, index) => {
        if (answers[at] === UNKNOWN) answers[at] = lines[index] as string;
      });
    };
    const places = new Map<string, number[]>();
    items.forEach((item, at) => {
      const queue = this.#queueOf(item);
      if (queue !== undefined) put(places, queue, at);
    });
    await Promise.all([...places].map(([queue, ats]) => send(queue, ats)));
    // The token of another job, or one that is made up, may name the wrong queue, or none.
    places.clear();
    items.forEach((item, at) => {
      if (answers[at] !== UNKNOWN) return;
      const known = this.#deps.locations.of(item.jobId);
      const others = known === undefined ? this.#deps.queues() : [known];
      for (const queue of others) if (queue !== this.#queueOf(item)) put(places, queue, at);
    });
    if (places.size > 0) await Promise.all([...places].map(([queue, ats]) => send(queue, ats)));
    return answers;
  }

  /** The queue of a job, as its token names it, if there is one of this name. */
  #queueOf({ token }: LeaseRef): string | undefined {
    const queue = token.slice(token.lastIndexOf("@") + 1);
    return this.#deps.isQueue(queue) ? queue : undefined;
  }

  #coalescer(name: WriteName, queue: string): Coalescer<Write, string[]> {
    const key = `${name} ${queue}`;
    let coalescer = this.#writes.get(key);
    if (coalescer === undefined) {
      coalescer = new Coalescer((writes) => this.#send(name, queue, writes), SETTLE_BATCH);
      this.#writes.set(key, coalescer);
    }
    return coalescer;
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

/** What a script says of a job that its queue does not have. */
const UNKNOWN = "N";

function put(places: Map<string, number[]>, queue: string, at: number): void {
  const list = places.get(queue);
  if (list === undefined) places.set(queue, [at]);
  else list.push(at);
}

function tokenOf({ token }: LeaseRef): string {
  const at = token.lastIndexOf("@");
  return at < 0 ? "" : token.slice(0, at);
}

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  N: "LEASE_LOST",
  L: "LEASE_LOST",
  C: "CANCELED",
  R: "ALREADY_APPLIED",
};

/** Reads `A|C status duration` and JSON of the type. */
function readApplied(line: string, queue = ""): Settlement {
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
