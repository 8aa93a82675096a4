import { setTimeout as sleep } from "node:timers/promises";
import { judge } from "./calls.js";
import type { Fleet } from "./fleet.js";
import type { Gate } from "./gate.js";
import type { PlannedJob } from "./plan.js";
import type { Random } from "./random.js";

/** What the producers record. */
export interface Ledger {
  /** Jobs that a server has accepted, by id. */
  readonly accepted: Map<string, PlannedJob>;
  /** Failed calls that were repeated, by how they failed. */
  readonly retries: Map<string, number>;
  /** Jobs that had been created by an earlier call whose answer was lost. */
  deduplicated: number;
  /** Called when something happened that must not happen. */
  violation(text: string): void;
}

/** What the producers share. */
export interface ProducerDeps {
  readonly gate: Gate;
  readonly fleet: Fleet;
  readonly ledger: Ledger;
  /** Returns the job with this number. */
  plan(n: number): PlannedJob;
}

/** How long a call may take before the producer gives it up, ms: a frozen server never answers. */
const CALL_MS = 2500;
const MAX_BATCH = 60;

/** Most bytes of the payloads of one call: a message may have 4 MiB. */
const MAX_BYTES = 3_000_000;

/** Creates jobs, one by one and in batches, until the gate has no more. Every call is repeated until it is answered. */
export async function produce(
  { gate, fleet, ledger, plan }: ProducerDeps,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const isSingle = random.next() < 0.5;
    const numbers = await gate.take(isSingle ? 1 : random.between(2, MAX_BATCH));
    if (numbers.length === 0) return;
    const jobs = numbers.map(plan);
    if (isSingle) await createOne(jobs);
    else for (const part of parts(jobs)) await createAll(part);
    gate.accepted(jobs.length);
  }

  /** As many calls as the payloads need. */
  function parts(jobs: readonly PlannedJob[]): PlannedJob[][] {
    const all: PlannedJob[][] = [[]];
    let bytes = 0;
    for (const job of jobs) {
      bytes += job.size;
      if (bytes > MAX_BYTES) {
        all.push([]);
        bytes = job.size;
      }
      all.at(-1)?.push(job);
    }
    return all.filter(({ length }) => length > 0);
  }

  async function createOne([planned]: readonly PlannedJob[]): Promise<void> {
    if (planned === undefined) return;
    const { job, deduplicated } = await repeat(async (calls, options) => calls.createJob(planned.request(), options));
    enter(planned, job?.id ?? "", deduplicated);
  }

  async function createAll(jobs: readonly PlannedJob[]): Promise<void> {
    const requests = jobs.map((job) => job.request());
    const { results } = await repeat(async (calls, options) => calls.batchCreateJobs({ requests }, options));
    if (results.length !== jobs.length) ledger.violation(`a batch of ${jobs.length} got ${results.length} results`);
    jobs.forEach((planned, index) => {
      enter(planned, results[index]?.jobId ?? "", results[index]?.deduplicated ?? false);
    });
  }

  function enter(planned: PlannedJob, id: string, deduplicated: boolean): void {
    const { requestId } = planned;
    if (id === "") ledger.violation(`${requestId} was accepted without an id`);
    const other = ledger.accepted.get(id);
    if (other !== undefined) ledger.violation(`job ${id} answers both ${other.requestId} and ${requestId}`);
    ledger.accepted.set(id, planned);
    if (deduplicated) ledger.deduplicated++;
  }

  /**
   * Repeats a call on any server with the same request ids: only the server knows whether a call with a lost answer
   * succeeded.
   */
  async function repeat<T>(
    call: (calls: Awaited<ReturnType<Fleet["any"]>>["jobs"], options: { timeoutMs: number }) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const { jobs, name } = await fleet.any(random);
      try {
        return await call(jobs, { timeoutMs: CALL_MS });
      } catch (error) {
        const failure = judge(error);
        ledger.retries.set(failure.name, (ledger.retries.get(failure.name) ?? 0) + 1);
        if (failure.violation !== undefined) ledger.violation(`a create on ${name} was ${failure.violation}`);
        await sleep(random.between(10, 100));
      }
    }
  }
}
