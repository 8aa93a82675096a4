import type { Engine } from "../../src/core/engine.js";
import { type Observer, silentObserver } from "../../src/core/observer.js";
import type { Handlers } from "../../src/model/handler/handler.js";
import { within } from "../support/wait.js";
import { check } from "./figures.js";
import { loadFrom, newPayload } from "./load.js";

/** Jobs in each call, whatever the number of queues. */
export const BATCH = 10;

/** Jobs that wait in each queue while something is measured. */
const WAITING = 20;

/** Watchers of all changes. */
const WATCHERS = 4;

/** Single creates for each call of a batch: enough that they can be measured. */
const SINGLES = 4;

/** Callers of the gathered creates. */
const CALLERS = 64;

/** Queues that are created at the same time. */
const CREATORS = 16;

/** Measures some work that handles so many jobs. */
export type Measure = (jobs: number, work: () => Promise<void>) => Promise<void>;

/** One kind of work: makes so many calls, each on the next queue, and has them measured. */
export type Operation = (calls: number, measure: Measure) => Promise<void>;

/** Makes an engine that runs up to so many jobs at a time. */
export type MakeEngine = (options: { handlers: Handlers; numWorkers: number; observer: Observer }) => Engine;

/** An engine with a number of queues, in each of which the same number of jobs waits. */
export interface ManyQueues {
  readonly operations: Readonly<Record<string, Operation>>;
  /** Adds queues until there are so many. */
  grow(count: number): Promise<void>;
  close(): Promise<void>;
}

const jobIn = (queue: string, type = "wait") => ({ queue, type, payload: JSON.stringify(newPayload()) });
const batchIn = (queue: string, type?: string) => Array.from({ length: BATCH }, () => jobIn(queue, type));

/** Starts an engine without queues of its own. */
export async function openManyQueues(make: MakeEngine): Promise<ManyQueues> {
  let settled = () => {};
  const engine = make({
    handlers: { run: () => undefined },
    numWorkers: BATCH,
    observer: { ...silentObserver, settled: (_kind, _queue, type) => type === "run" && settled() },
  });
  await engine.start();
  const queues: string[] = [];
  let turn = 0;

  /** The next queue in turn. */
  function next(): string {
    return queues[turn++ % queues.length] as string;
  }

  /** Resolves when so many jobs have run. */
  function ran(jobs: number): Promise<void> {
    let left = jobs;
    return new Promise((resolve) => {
      settled = () => --left === 0 && resolve();
    });
  }

  async function watcher(signal: AbortSignal) {
    const feed = engine.watches.watchJobs({}, undefined, signal);
    await within(feed.next(), "the first event of a watch");
    return async (changes: number) => {
      for (let seen = 0; seen < changes; ) if ((await feed.next()).value?.kind === "event") seen++;
    };
  }

  async function repeat(calls: number, call: () => Promise<unknown>): Promise<void> {
    for (let made = 0; made < calls; made++) await call();
  }

  const poll = { worker: "bench", queues: [], types: ["wait"], maxJobs: BATCH };

  const operations: Record<string, Operation> = {
    create: (calls, measure) =>
      measure(calls * BATCH, () => repeat(calls, () => engine.jobs.createBatch(batchIn(next())))),
    async watch(calls, measure) {
      const end = new AbortController();
      const watchers = await Promise.all(Array.from({ length: WATCHERS }, () => watcher(end.signal)));
      const one = async () => {
        await engine.jobs.createBatch(batchIn(next()));
        await within(Promise.all(watchers.map((wait) => wait(BATCH))), "changes at the watchers");
      };
      await measure(calls * BATCH, () => repeat(calls, one));
      end.abort();
    },
    async lease(calls, measure) {
      let got = 0;
      const one = async () => {
        const leases = await engine.remote.poll(poll, new AbortController().signal);
        got += leases.length;
        await engine.remote.complete(leases.map(({ job, token }) => ({ jobId: job.id, token, result: undefined })));
      };
      // Twice: for those that `create` and `watch` have added.
      await measure(2 * calls * BATCH, () => repeat(2 * calls, one));
      check(got === 2 * calls * BATCH, `${got} jobs were leased, not ${2 * calls * BATCH}`);
    },
    run: (calls, measure) =>
      measure(calls * BATCH, () =>
        repeat(calls, async () => {
          const all = ran(BATCH);
          await engine.jobs.createBatch(batchIn(next(), "run"));
          await within(all, "the run of a batch");
        }),
      ),
    list: (calls, measure) =>
      measure(calls * BATCH, () => repeat(calls, () => engine.jobs.list({ queues: [next()], pageSize: BATCH }))),
    single: (calls, measure) =>
      measure(calls * SINGLES, () => repeat(calls * SINGLES, () => engine.jobs.create(jobIn(next())))),
    gathered: (calls, measure) =>
      measure(calls * SINGLES, async () => {
        await loadFrom(CALLERS, calls * SINGLES, () => engine.jobs.create(jobIn(next())));
      }),
  };

  return {
    operations,
    async grow(count) {
      const names = Array.from({ length: count - queues.length }, (_, at) => `queue-${queues.length + at}`);
      const left = [...names];
      await Promise.all(
        Array.from({ length: CREATORS }, async () => {
          for (let name = left.pop(); name !== undefined; name = left.pop()) {
            await engine.queues.create(name);
            for (let made = 0; made < WAITING; made += BATCH) await engine.jobs.createBatch(batchIn(name));
          }
        }),
      );
      queues.push(...names);
    },
    close: () => engine.stop(1000),
  };
}
