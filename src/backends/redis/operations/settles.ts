import type {
  Completion,
  ExtendResult,
  Extension,
  Failure,
  LeaseRef,
  Release,
  Settlement,
} from "../../../core/port/leases.js";
import { byQueue } from "../../../core/stores/by-queue.js";
import { LIMITS } from "../../../model/common/limits.js";
import { cutText } from "../../../model/common/text.js";
import type { Outcome } from "../../../model/job/outcome.js";
import { numberOf, queueOf } from "../../../model/queue/ids.js";
import { writeResult } from "../layout/codec.js";
import { statusOf } from "../layout/codec-state.js";
import { Coalescers } from "../link/coalescer.js";
import { type Arg, bytesOf } from "../link/connection.js";
import type { CompletedBytes } from "../queues/completed-bytes.js";
import { type QueueCalls, text } from "../queues/queue-calls.js";
import { callComplete } from "./completions.js";

/** Most jobs of one script call, where each takes the least. */
const BATCH = 500;

/** Most bytes of one, beyond its first job. */
const BATCH_BYTES = 4 * 2 ** 20;

type WriteName = "complete" | "fail" | "release" | "extend";

/** How much longer a job takes than where it takes the least: no script should take 10 ms. */
const WORK: Readonly<Record<WriteName, number>> = { complete: 1, extend: 1, release: 2, fail: 3 };

/** Arguments of `count` jobs for one script. */
interface Write {
  readonly args: readonly Arg[];
  readonly count: number;
  readonly bytes: number;
}

/** Settles and extends leases. Concurrent writes of one kind to one queue share a script call. */
export class Settles {
  readonly #calls: QueueCalls;
  readonly #completed: CompletedBytes;
  readonly #writes = new Coalescers<Write, string[]>({ size: BATCH, bytes: BATCH_BYTES });
  readonly #maxLostLeases: number;

  constructor(calls: QueueCalls, completed: CompletedBytes, maxLostLeases: number) {
    this.#calls = calls;
    this.#completed = completed;
    this.#maxLostLeases = maxLostLeases;
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

  release(items: readonly Release[]): Promise<Settlement[]> {
    return this.#settle("release", items, (args, { isLost, delayMs = "" }) =>
      args.push(isLost === true ? this.#maxLostLeases : "", delayMs),
    );
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
    const queues = byQueue(items.keys(), (at) => (items[at] as T).jobId);
    await Promise.all(
      [...queues].map(async ([queue, places]) => {
        const most = Math.floor(BATCH / WORK[name]);
        const share = (writes: readonly Write[]) => this.#send(name, queue, writes);
        const parts: Promise<readonly string[]>[] = [];
        let write: { args: Arg[]; count: number; bytes: number } = { args: [], count: 0, bytes: 0 };
        const add = () =>
          parts.push(this.#writes.add(`${name} ${queue}`, share, write, write.count * WORK[name], write.bytes));
        for (const at of places) {
          const item = items[at] as T;
          const number = numberOf(item.jobId);
          const from = write.args.push(number, tokenOf(item, number));
          addArgs(write.args, item);
          write.count++;
          write.bytes += bytesOf(write.args, from);
          if (write.count < most && write.bytes < BATCH_BYTES) continue;
          add();
          write = { args: [], count: 0, bytes: 0 };
        }
        if (write.count > 0) add();
        const lines = (await Promise.all(parts)).flat();
        places.forEach((at, index) => {
          answers[at] = lines[index] as string;
        });
      }),
    );
    return answers;
  }

  async #send(name: WriteName, queue: string, writes: readonly Write[]): Promise<string[][]> {
    const args = writes.length === 1 ? (writes[0] as Write).args : writes.flatMap((write) => write.args);
    const calls = this.#calls;
    const { rest } = await (name === "complete"
      ? callComplete(calls, this.#completed, queue, args, writes.length)
      : calls.call(name, queue, args, { callers: writes.length }));
    const lines = text(rest[0]).split("\n");
    let from = 0;
    return writes.map(({ count }) => {
      from += count;
      return lines.slice(from - count, from);
    });
  }
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
