import { expect } from "vitest";
import type { RowOutcome, TickResult } from "../../../src/core/backend.js";
import type { LeaseRef, LostLease, Settlement } from "../../../src/core/port/leases.js";
import type { EnqueueResult, NewJob } from "../../../src/core/port/new-jobs.js";
import { OPEN } from "../../../src/core/port/queue-defaults.js";
import { createMatcher } from "../../../src/core/stores/job-matcher.js";
import { type ErrorReason, TaskQueueError } from "../../../src/model/common/errors.js";
import type { QueueSettings } from "../../../src/model/queue/queue.js";
import { newJob } from "../../support/job.js";
import type { OpenedBackend } from "./harness.js";
import { type Command, type CommandOf, type JobChoice, type LeaseChoice, QUEUES } from "./model-commands.js";
import { compareJob, compareJobs, near, same } from "./model-compare.js";
import { ScheduleSteps } from "./model-schedules.js";
import { isKept, type ModelJob, type NaiveModel } from "./naive-model.js";
import { createQueue, queueOf, tickAll } from "./support.js";

/** How late the end of a lease may be noticed, ms. */
const LATE_MS = 1000;

/** Creates the queues of a run, one of them FAIR, and returns the run. */
export async function startRun(opened: OpenedBackend, model: NaiveModel, reached: Set<string>): Promise<ModelRun> {
  const { backend } = opened;
  await createQueue(backend, "timed", { ordering: "RUN_AFTER" });
  await createQueue(backend, "fair", { ordering: "FAIR", maxConcurrencyPerKey: 1 });
  await createQueue(backend, "narrow", { maxConcurrency: 2, maxDepth: 6 });
  for (const name of QUEUES) {
    const { settings, paused } = await queueOf(backend, name);
    model.queues.set(name, { settings, paused });
  }
  return new ModelRun(opened, model, reached);
}

/** One run: gives each command to a backend and to the model, and compares their answers and the state afterwards. */
export class ModelRun {
  readonly #opened: OpenedBackend;
  readonly #model: NaiveModel;
  readonly #reached: Set<string>;
  /** Every lease there was. */
  readonly #leases: LeaseRef[] = [];
  // The ids get longer in the course of a run.
  #lastId = 99_999_999_999_999_960n;
  readonly #schedules: ScheduleSteps;
  readonly #steps: { readonly [K in Command["kind"]]: (command: CommandOf<K>) => Promise<void> } = {
    enqueue: (command) => this.#enqueue(command),
    lease: (command) => this.#lease(command),
    complete: (command) => this.#complete(command),
    release: (command) => this.#release(command),
    fail: (command) => this.#fail(command),
    extend: (command) => this.#extend(command),
    cancel: (command) => this.#cancel(command),
    run: (command) => this.#runNow(command),
    update: (command) => this.#updateJob(command),
    replay: (command) => this.#replay(command),
    remove: (command) => this.#remove(command),
    act: (command) => this.#act(command),
    purge: (command) => this.#purge(command),
    pause: (command) => this.#pause(command),
    preset: ({ queue, defaults }) => this.#update(queue, defaults),
    retain: ({ queue, limits }) => this.#update(queue, limits),
    rate: ({ queue, rateLimit }) => this.#update(queue, { rateLimit }),
    limit: ({ queue, limits }) => this.#update(queue, limits),
    reorder: ({ queue, ordering }) => this.#update(queue, { ordering }),
    pass: (command) => this.#pass(command),
    setClock: (command) => this.#setClock(command),
    plan: (command) => this.#schedules.plan(command),
    replan: (command) => this.#schedules.replan(command),
    unplan: (command) => this.#schedules.unplan(command),
    fire: (command) => this.#schedules.fire(command),
  };

  /** `reached` collects the situations of the run, so that a test can check that all situations occur. */
  constructor(opened: OpenedBackend, model: NaiveModel, reached: Set<string>) {
    this.#opened = opened;
    this.#model = model;
    this.#reached = reached;
    this.#schedules = new ScheduleSteps(opened, model, reached, () => String(++this.#lastId));
  }

  /** Runs one command and compares its answer and all jobs. */
  async step<K extends Command["kind"]>(command: CommandOf<K>): Promise<void> {
    this.#model.now = await this.#opened.now();
    const { kind } = command as { kind: K };
    await this.#steps[kind](command);
    for (const status of await compareJobs(this.#opened, this.#model)) this.#reached.add(`forgotten ${status}`);
    if (kind !== "pass") return;
    for (const queue of this.#model.queues.keys()) same(this.#model.keepsTooMuch(queue), false);
  }

  async #enqueue({ jobs: plans, idsBackwards }: CommandOf<"enqueue">): Promise<void> {
    const first = this.#lastId + 1n;
    this.#lastId += BigInt(plans.length);
    const jobs = plans.map(({ inMs, open, ttlMs: given, ...plan }, at): NewJob => {
      // Under FAIR: when the last job of a key expires as the next one becomes ready, nothing says whether the key was gone meanwhile.
      const ttlMs = plan.queue === "fair" ? undefined : given;
      const mayExpire = plan.queue !== "fair" && ttlMs === undefined;
      const id = String(idsBackwards ? this.#lastId - BigInt(at) : first + BigInt(at));
      const time = inMs < 0 ? { runAfter: this.#model.now + inMs } : { delayMs: inMs };
      return newJob({ ...plan, ttlMs, ...time, id, open: mayExpire ? open : open & ~OPEN.expiry });
    });
    const reasons = this.#model.refuses(jobs);
    if (reasons.length > 0) return this.#expectRefused(this.#opened.backend.enqueue(jobs), reasons);
    const results = await this.#opened.backend.enqueue(jobs);
    const expected = this.#model.enqueue(jobs);
    const shown = ({ id, deduplicated, met }: Pick<EnqueueResult, "id" | "deduplicated" | "met">) => ({
      id,
      deduplicated,
      met,
    });
    same(results.map(shown), expected.map(shown));
    for (const { deduplicated, met } of expected) {
      this.#reached.add(met ?? (deduplicated ? "deduplicated" : "created"));
    }
  }

  async #lease({ kind: _, ...request }: CommandOf<"lease">): Promise<void> {
    const held = request.queues.some((name) => this.#model.slotAt(name) !== undefined);
    const leases = await this.#opened.backend.lease(request);
    const tokens = leases.map(({ token }) => token);
    const ids = leases.map(({ job }) => job.id);
    if (request.queues.some((name) => this.#model.fullKeys(name).size > 0))
      this.#reached.add("leased beside a full key");
    const expected = this.#model.lease(request, tokens, ids);
    same(
      ids,
      expected.map(({ job }) => job.id),
    );
    if (held) this.#reached.add("held back by a rate");
    if (request.queues.some((name) => this.#model.rates.get(name)?.isBehind)) this.#reached.add("behind a rate");
    for (const [at, { job, token, expiresInMs }] of leases.entries()) {
      compareJob(this.#opened, this.#model, job, expected[at]);
      same(expiresInMs, request.leaseMs);
      expect(this.#leases.some((earlier) => earlier.token === token)).toBe(false);
      this.#leases.push({ jobId: job.id, token });
      const isUrgent = (other: ModelJob | undefined) =>
        other?.job.queue === "fair" && other.job.priority > job.priority;
      if (job.queue === "fair" && isUrgent(expected[at + 1])) this.#reached.add("turns before priority");
    }
  }

  async #complete({ items: choices }: CommandOf<"complete">): Promise<void> {
    const items = this.#chosen(choices, (ref, _, at) => ({ ...ref, result: at === 0 ? undefined : `"result ${at}"` }));
    const answers = await this.#opened.backend.complete(items);
    this.#compareSettled("complete", items, answers, (item) => this.#model.complete(item));
  }

  async #release({ items: choices }: CommandOf<"release">): Promise<void> {
    const items = this.#chosen(choices, (ref, { isLost, delayMs }) =>
      isLost ? { ...ref, isLost } : { ...ref, delayMs },
    );
    const answers = await this.#opened.backend.release(items);
    this.#compareSettled("release", items, answers, (item) => this.#model.release(item));
  }

  async #fail({ items: choices }: CommandOf<"fail">): Promise<void> {
    const items = this.#chosen(choices, (ref, { retry, jitter }, at) => {
      return { ...ref, error: `error ${this.#leases.length}-${at}`, retry, jitter };
    });
    const answers = await this.#opened.backend.fail(items);
    this.#compareSettled("fail", items, answers, (item) => this.#model.fail(item));
  }

  async #extend({ items: choices }: CommandOf<"extend">): Promise<void> {
    const items = this.#chosen(choices, (ref, { leaseMs, progress }) => ({ ...ref, leaseMs, progress }));
    const answers = await this.#opened.backend.extend(items);
    same(answers.length, items.length);
    for (const [at, item] of items.entries()) {
      const { outcome, expiresInMs } = this.#model.extend(item);
      same(answers[at]?.outcome, outcome);
      near(answers[at]?.expiresInMs, expiresInMs, this.#opened.slackMs);
      this.#reached.add(`extend ${outcome}`);
    }
  }

  async #cancel({ job }: CommandOf<"cancel">): Promise<void> {
    const [id = "4711"] = this.#ids([job]);
    const reason = this.#model.cancel(id);
    if (reason !== undefined) return this.#expectRefused(this.#opened.backend.cancel(id), [reason]);
    compareJob(this.#opened, this.#model, await this.#opened.backend.cancel(id), this.#model.find(id));
  }

  async #runNow({ job }: CommandOf<"run">): Promise<void> {
    const [id = "4711"] = this.#ids([job]);
    const before = this.#model.find(id)?.job.revision;
    const reason = this.#model.run(id);
    if (reason !== undefined) return this.#expectRefused(this.#opened.backend.run(id), [reason]);
    compareJob(this.#opened, this.#model, await this.#opened.backend.run(id), this.#model.find(id));
    this.#reached.add(this.#model.find(id)?.job.revision === before ? "run a ready job" : "run a waiting job");
  }

  async #updateJob({ job, changes: given, inMs }: CommandOf<"update">): Promise<void> {
    const [id = "4711"] = this.#ids([job]);
    const when = inMs !== undefined && inMs < 0 ? { runAfter: this.#model.now + inMs } : { delayMs: inMs };
    const changes = { ...given, ...when };
    const reason = this.#model.update(id, changes);
    if (reason !== undefined) return this.#expectRefused(this.#opened.backend.update(id, changes), [reason]);
    compareJob(this.#opened, this.#model, await this.#opened.backend.update(id, changes), this.#model.find(id));
    this.#reached.add(`updated ${inMs === undefined ? "in its place" : "to another time"}`);
  }

  async #replay({ jobs }: CommandOf<"replay">): Promise<void> {
    const ids = this.#ids(jobs);
    this.#compareRows("replay", ids, await this.#opened.backend.replay(ids), (id) => this.#model.replay(id));
  }

  async #remove({ jobs, statuses }: CommandOf<"remove">): Promise<void> {
    const ids = this.#ids(jobs);
    const rows = await this.#opened.backend.remove(ids, statuses);
    this.#compareRows("remove", ids, rows, (id) => this.#model.remove(id, statuses));
  }

  async #purge({ queue }: CommandOf<"purge">): Promise<void> {
    same(await this.#opened.backend.purge(queue), this.#model.purge(queue));
  }

  async #pause({ queue: name, paused }: CommandOf<"pause">): Promise<void> {
    same((await this.#opened.backend.setPaused(name, paused)).paused, paused);
    this.#model.setPaused(name, paused);
  }

  async #update(name: string, settings: Partial<QueueSettings>): Promise<void> {
    const call = this.#opened.backend.updateQueue(name, settings);
    const queue = this.#model.queues.get(name);
    if (queue === undefined) return this.#expectRefused(call, ["QUEUE_NOT_FOUND"]);
    const isNewOrder = settings.ordering !== undefined && settings.ordering !== queue.settings.ordering;
    if (isNewOrder && this.#model.inQueue(name, "PENDING").length > 0) {
      return this.#expectRefused(call, ["QUEUE_NOT_EMPTY"]);
    }
    this.#model.together(() => this.#model.updateQueue(name, settings));
    same((await call).settings, queue.settings);
    // Keys that a new limit concerns may be seen to in ticks.
    if (settings.maxConcurrencyPerKey !== undefined) {
      this.#schedules.compareTold(await tickAll(this.#opened.backend));
    }
    if (isNewOrder) this.#reached.add("reordered");
  }

  async #pass({ ms }: CommandOf<"pass">): Promise<void> {
    await this.#opened.advance(ms);
    this.#model.now = await this.#opened.now();
    const ticks = await tickAll(this.#opened.backend);
    if (this.#model.all.some(isKept)) this.#reached.add("kept by a hold");
    this.#model.endHolds();
    const { late, expected } = this.#model.together(() => ({
      late: this.#model.expire(),
      expected: this.#model.tick(),
    }));
    this.#compareExpired(ticks, late);
    this.#schedules.compareTold(ticks);
    const key = ({ jobId, queue, type, status, deliveries, worker }: LostLease) =>
      JSON.stringify([jobId, queue, type, status, deliveries, worker]);
    same(ticks.flatMap(({ lost }) => lost.map(key)).toSorted(), expected.map(key).toSorted());
    for (const { status } of expected) this.#reached.add(`lost ${status}`);
    expect(ticks.at(-1)?.nextInMs ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(this.#latestTickMs());
  }

  async #setClock({ ms }: CommandOf<"setClock">): Promise<void> {
    await this.#opened.stepWall(ms);
    this.#model.now += ms;
    this.#model.setAhead += ms;
    // Whoever asks next learns of it: schedules may be due sooner or later for it, and nothing else.
    await this.#opened.backend.queues([...QUEUES]);
    const ticks = await tickAll(this.#opened.backend);
    same(ticks.flatMap(({ lost }) => lost).length, this.#model.tick().length);
    this.#compareExpired(ticks, this.#model.expire());
    this.#schedules.compareTold(ticks);
    this.#reached.add(ms < 0 ? "clock set back" : "clock set ahead");
  }

  #compareExpired(ticks: readonly TickResult[], late: readonly ModelJob[]): void {
    const expected = late.map(({ job }) => job.id);
    same(ticks.flatMap(({ expired }) => expired.map(({ jobId }) => jobId)).toSorted(), expected.toSorted());
    if (expected.length > 0) this.#reached.add("expired");
  }

  /** The ms until the next tick must happen, at the latest. */
  #latestTickMs(): number {
    const { all, time } = this.#model;
    const dues = all.map((found) => {
      const { job, gone, leaseUntil, readyAt, expiresAt, holdUntil } = found;
      if (!gone && isKept(found)) return holdUntil - time + LATE_MS;
      const waits = !gone && job.status === "PENDING";
      if (waits && job.deliveries === 0 && expiresAt < readyAt) return expiresAt - time;
      if (!gone && job.status === "PENDING" && readyAt > time) return readyAt - time;
      return !gone && job.status === "RUNNING" ? leaseUntil - time + LATE_MS : Number.POSITIVE_INFINITY;
    });
    const slots = [...this.#model.queues.keys()].flatMap((name) => {
      const at = this.#model.slotAt(name);
      return at === undefined ? [] : Math.ceil(at - time);
    });
    return Math.min(...dues, ...slots, this.#model.schedules.nextAt - this.#model.now);
  }

  #compareSettled<T extends LeaseRef>(
    kind: string,
    items: readonly T[],
    answers: readonly Settlement[],
    settle: (item: T) => Settlement,
  ): void {
    same(answers.length, items.length);
    for (const [at, item] of items.entries()) {
      const found = this.#model.find(item.jobId);
      const mayBeForgotten = found !== undefined && this.#model.mayForget(found);
      const { outcome, applied } = settle(item);
      const answer = answers[at];
      // A job that was finished before may be forgotten as soon as the next one is finished.
      if (mayBeForgotten && answer?.outcome === "LEASE_LOST") continue;
      const durationMs = answer?.applied?.durationMs ?? 0;
      same(answer, applied === undefined ? { outcome } : { outcome, applied: { ...applied, durationMs } });
      // A store that has only stamps to measure it by may be wrong after a step of its clock, but never below 0.
      const isMeasured = found === undefined || found.startedAhead === this.#model.setAhead;
      if (isMeasured) near(durationMs, applied?.durationMs ?? 0, this.#opened.slackMs);
      expect(durationMs).toBeGreaterThanOrEqual(0);
      this.#reached.add(`${kind} ${outcome} ${applied?.status ?? ""}`.trim());
    }
  }

  async #act({ action, jobs, types, statuses, pendingStates }: CommandOf<"act">): Promise<void> {
    const match = { types, statuses, pendingStates };
    const matches = createMatcher(match);
    const ids = [...new Set(this.#ids(jobs))];
    const count = await this.#opened.backend.act(action, ids, match);
    const changed = ids.filter((id) => {
      const found = this.#model.find(id);
      return found !== undefined && matches(this.#model.read(found)) && this.#model.act(action, id);
    });
    same(count, changed.length);
    this.#reached.add(`act ${action} ${Math.min(count, 1)}`);
  }

  #compareRows(
    kind: string,
    ids: readonly string[],
    rows: readonly RowOutcome[],
    apply: (id: string) => RowOutcome,
  ): void {
    same(rows.length, ids.length);
    for (const [at, id] of ids.entries()) {
      const found = this.#model.find(id);
      const row = rows[at];
      const expected = apply(id);
      this.#reached.add(`${kind} ${expected.outcome}`);
      if (row?.outcome !== "APPLIED" || expected.outcome !== "APPLIED") same(row, expected);
      else if (expected.job === undefined || row.job === undefined) same(row.job, expected.job);
      else if (found !== undefined)
        compareJob(this.#opened, this.#model, row.job, { ...found, job: { ...expected.job } });
    }
  }

  async #expectRefused(call: Promise<unknown>, reasons: readonly ErrorReason[]): Promise<void> {
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(TaskQueueError);
    if (error instanceof TaskQueueError) expect(reasons).toContain(error.reason);
    for (const reason of reasons) this.#reached.add(reason);
  }

  /** The chosen leases; none when there are none of that kind. */
  #chosen<T extends LeaseChoice, U>(choices: readonly T[], make: (ref: LeaseRef, choice: T, at: number) => U): U[] {
    const current = this.#leases.filter(({ jobId, token }) => this.#model.find(jobId)?.token === token);
    return choices.flatMap((choice, at) => {
      const ref = nth(choice.from === "current" ? current : this.#leases, choice.nth);
      const other = nth(this.#leases, choice.nth + 1);
      if (ref === undefined || other === undefined) return [];
      const token = choice.from === "mixed" && other.jobId !== ref.jobId ? other.token : ref.token;
      return [make({ jobId: ref.jobId, token }, choice, at)];
    });
  }

  #ids(choices: readonly JobChoice[]): string[] {
    return choices.map(({ status, nth: at }) => {
      const jobs = this.#model.all.filter(({ job, gone }) => status === undefined || (!gone && job.status === status));
      return nth(jobs, at)?.job.id ?? "4711";
    });
  }
}

/** The n-th from the end, modulo the length. */
function nth<T>(items: readonly T[], at: number): T | undefined {
  return items.length === 0 ? undefined : items[items.length - 1 - (at % items.length)];
}
