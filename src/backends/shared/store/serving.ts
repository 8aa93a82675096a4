import type { Backend } from "../../../core/backend.js";
import type { Lease, LeaseRef, Settlement } from "../../../core/port/leases.js";
import type { EnqueueResult } from "../../../core/port/new-jobs.js";
import { isUnavailable, TaskQueueError } from "../../../model/common/errors.js";
import { jobBytes } from "../../../model/job/job.js";
import type { JobView } from "../../../model/job/job-filter.js";
import type { Logger } from "../../../model/log/logger.js";
import { writeError } from "../codec/errors.js";
import type { WrittenFollowed } from "../codec/followed.js";
import { readNewJob, type WrittenJob, type WrittenNewJob, writeJob } from "../codec/jobs.js";
import {
  readCompletion,
  readExtension,
  readFailure,
  readRelease,
  type WrittenRequest,
  writeExtended,
  writeLease,
  writeSettlement,
} from "../codec/leases.js";
import { type Hello, type Request, VERSION, type Welcome } from "../codec/messages.js";
import { isMethod, type Method, readArgs, writeResult } from "../codec/operations.js";
import { writeResults } from "../codec/results.js";
import type { WrittenCreates } from "../link/gathered.js";
import type { FiguresTurn } from "./figures-turn.js";
import type { LeaseHolders } from "./lease-holders.js";
import type { Peer } from "./peer.js";
import type { ReadyTurns } from "./ready-turns.js";
import type { StoreListener } from "./store-listener.js";
import type { TickTurns } from "./tick-turns.js";

/** Most bytes of jobs in an answer beyond its first one. */
const ANSWER_BYTES = 4 * 2 ** 20;

/** Dependencies of a `Serving`. */
export interface ServingDeps {
  readonly backend: Backend;
  readonly logger: Logger;
  readonly peers: ReadonlySet<Peer>;
  readonly listener: StoreListener;
  readonly ready: ReadyTurns;
  readonly ticks: TickTurns;
  readonly holders: LeaseHolders;
  readonly figures: FiguresTurn;
  /** Makes the welcome of a server, which is among `peers` from then on. */
  readonly admit: (peer: Peer) => Omit<Welcome, "version" | "queues" | "isAvailable">;
}

/** Does what servers ask, and answers it. */
export class Serving {
  readonly #deps: ServingDeps;
  readonly #calls: Readonly<Record<string, (peer: Peer, args: never) => Promise<unknown>>>;

  constructor(deps: ServingDeps) {
    this.#deps = deps;
    const { backend, holders } = deps;
    const settle = <W, I extends LeaseRef>(
      read: (written: W) => I,
      run: (items: readonly I[]) => Promise<readonly Settlement[]>,
    ) => {
      return async (peer: Peer, [written]: [readonly W[]]) => {
        const items = written.map(read);
        holders.settling(peer, items);
        return (await run(items)).map(writeSettlement);
      };
    };
    this.#calls = {
      hello: (peer, hello: Hello) => this.#hello(peer, hello),
      beat: async (peer, taken: Hello["taken"] | null) => {
        peer.taken = taken ?? undefined;
      },
      enqueue: (_, [jobs, sizes]: [readonly WrittenNewJob[], (readonly number[])?]) => this.#enqueue(jobs, sizes),
      lease: (peer, request: WrittenRequest) => this.#lease(peer, request),
      complete: settle(readCompletion, (items) => backend.complete(items)),
      fail: settle(readFailure, (items) => backend.fail(items)),
      release: settle(readRelease, (items) => backend.release(items)),
      extend: async (_, [written]: [Parameters<typeof readExtension>[0][]]) =>
        (await backend.extend(written.map(readExtension))).map(writeExtended),
      get: (_, [ids, view, maxBytes]: [readonly string[], JobView | undefined, number]) =>
        this.#get(ids, view, maxBytes),
      takenElsewhere: async (peer) => this.#takenElsewhere(peer),
      claimFigures: async (peer) => deps.figures.claim(peer),
    };
  }

  serve(peer: Peer, [call, method, args]: Request): void {
    const { listener, logger } = this.#deps;
    if (method === "follow") {
      listener.follow(peer, (args as [readonly WrittenFollowed[]])[0]);
      return;
    }
    this.#run(peer, method, args as never).then(
      (result) => peer.answer([call, result]),
      (error) => {
        if (!(error instanceof TaskQueueError)) logger.error({ err: error, method }, "a call of a server failed");
        peer.answer([call, null, writeError(error)]);
      },
    );
  }

  async #run(peer: Peer, method: string, args: never): Promise<unknown> {
    if (peer.node === undefined && method !== "hello") throw new TypeError("the first call is to be hello");
    const call = Object.hasOwn(this.#calls, method) ? this.#calls[method] : undefined;
    if (call !== undefined) return call(peer, args);
    if (!isMethod(method)) throw new TypeError(`there is no call of the name ${method}`);
    return this.#operation(peer, method, args);
  }

  /** An operation that travels by itself. */
  async #operation<M extends Method>(peer: Peer, method: M, written: unknown): Promise<unknown> {
    const { backend, listener, ticks } = this.#deps;
    if (method === "tick") return writeResult("tick", await ticks.run(peer, () => backend.tick()));
    // Then a page that ends with all that was told is told as such.
    if (method === "read") listener.tellAll(peer);
    const run = backend[method] as unknown as (...args: readonly unknown[]) => Promise<never>;
    return writeResult(method, await run(...bounded(method, readArgs(method, written))));
  }

  async #hello(peer: Peer, { version, taken }: Hello): Promise<Welcome> {
    const { backend, listener, admit } = this.#deps;
    if (version !== VERSION) throw new TypeError("this server is another version than the process that keeps the jobs");
    peer.taken = taken;
    const welcome = admit(peer);
    // Who came after a job was made ready is to hear of it; while a file cannot be written, nobody knows where there are some.
    const figures = await backend.queues().catch(() => undefined);
    const mayHave = figures?.filter(({ stats }) => stats.ready > 0) ?? (await backend.queueNames());
    for (const { name } of mayHave) peer.ready(name, null);
    return { ...welcome, version: VERSION, queues: await backend.queueNames(), isAvailable: listener.isAvailable };
  }

  /** Creates of several callers: all together or, if they are refused so, each caller's by itself. */
  async #enqueue(written: readonly WrittenNewJob[], sizes: readonly number[] | undefined): Promise<WrittenCreates> {
    const { backend } = this.#deps;
    const jobs = written.map(readNewJob);
    try {
      return { all: writeResults(jobs, await backend.enqueue(jobs)) };
    } catch (error) {
      // What is refused is refused as a whole: nothing was created.
      if (sizes === undefined || isUnavailable(error)) throw error;
    }
    let from = 0;
    const parts = sizes.map((size) => {
      from += size;
      return jobs.slice(from - size, from);
    });
    const each = parts.map((part) =>
      backend.enqueue(part).then(
        (results: readonly EnqueueResult[]) => ({ results: writeResults(part, results) }),
        (error: unknown) => ({ error: writeError(error) }),
      ),
    );
    return { each: await Promise.all(each) };
  }

  async #lease(peer: Peer, request: WrittenRequest): Promise<unknown> {
    const { backend, ready, holders } = this.#deps;
    const emptied: string[] = [];
    const leases = await backend.lease({
      ...request,
      maxBytes: Math.min(request.maxBytes ?? ANSWER_BYTES, ANSWER_BYTES),
      emptied(queue) {
        emptied.push(queue);
        ready.emptied(peer, queue, request.types);
      },
    });
    if (peer.isClosed) this.#giveBack(leases, request);
    else holders.leased(peer, leases);
    return [leases.map(writeLease), emptied];
  }

  /** Leases whose server is gone. A poll that names itself gets them when it is repeated elsewhere. */
  #giveBack(leases: readonly Lease[], { requestId }: WrittenRequest): void {
    if (leases.length === 0 || requestId !== undefined) return;
    const refs = leases.map(({ job, token }) => ({ jobId: job.id, token }));
    this.#deps.backend.release(refs).catch(() => undefined);
  }

  /** Reads jobs up to so many bytes, and as many as an answer may have. */
  async #get(ids: readonly string[], view: JobView | undefined, maxBytes: number): Promise<(WrittenJob | null)[]> {
    const most = Math.min(maxBytes, ANSWER_BYTES);
    const jobs: (WrittenJob | null)[] = [];
    let bytes = 0;
    for (const job of await this.#deps.backend.get(ids, view)) {
      jobs.push(job === undefined ? null : writeJob(job));
      if (job !== undefined) bytes += jobBytes(job);
      if (bytes >= most) break;
    }
    return jobs;
  }

  #takenElsewhere(peer: Peer) {
    const others = [...this.#deps.peers].filter((each) => each !== peer).map(({ taken }) => taken);
    return others.includes(undefined) ? null : others.flatMap((taken) => taken ?? []);
  }
}

/** The arguments of an operation, with a bound for the bytes of what it lists. */
function bounded(method: Method, args: readonly unknown[]): readonly unknown[] {
  if (method !== "list" && method !== "listDead") return args;
  const [query] = args as Parameters<Backend["list"]>;
  return [{ ...query, maxBytes: Math.min(query.maxBytes ?? ANSWER_BYTES, ANSWER_BYTES) }];
}
