import { isUnavailable, TaskQueueError } from "../../model/common/errors.js";
import { payloadBytes } from "../../model/job/job.js";
import type { Logger } from "../../model/log/logger.js";
import type { Schedule } from "../../model/request/schedule.js";
import type { Backend } from "../backend.js";
import type { NewJobs } from "../new-job.js";
import type { Observer } from "../observer.js";
import type { NewJob } from "../port/new-jobs.js";
import type { DueSchedule, FiringResult } from "../port/schedule-store.js";
import { ownTurn } from "../turns/own-turn.js";
import { createJobLog, type JobLog } from "../work/job-log.js";
import { type FiringPlan, firstOf, planFiring } from "./plan-firing.js";

/** Bytes of payloads that one firing creates at the most, unless a single job has more. */
const FIRING_BYTES = 4 * 2 ** 20;

/** Dependencies of a `ScheduleFirer`. */
export interface ScheduleFirerDeps {
  readonly backend: Pick<Backend, "fireSchedule">;
  readonly newJobs: NewJobs;
  /** Returns a random number from 0 to 1, for jitter. */
  readonly random: () => number;
  readonly observer: Observer;
  readonly logger: Logger;
}

/**
 * Fires the schedules that a tick tells as due: decides which of their times make a job, and has the store create those and move
 * the schedule on in one step. It keeps nothing: what fails, or is lost with this process, is due in the store still, and is told
 * again a while later (`retryAfterMs`), here or elsewhere. So a queue that is full, or a store that is away, delays a time and never
 * loses or doubles it; once it is late enough it counts as missed.
 */
export class ScheduleFirer {
  readonly #deps: ScheduleFirerDeps;
  readonly #log: JobLog;
  /** Those whose firing is under way, by queue and name. */
  readonly #firing = new Map<string, Promise<void>>();
  #isStopped = false;

  constructor(deps: ScheduleFirerDeps) {
    this.#deps = deps;
    this.#log = createJobLog(deps.logger);
  }

  /** Fires these schedules. Does not throw, and nothing waits for it. */
  fire(due: readonly DueSchedule[]): void {
    if (due.length > 0) void this.#fireAll(due);
  }

  /** Fires no more; resolves when what is under way has ended. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#firing.values());
  }

  async #fireAll(due: readonly DueSchedule[]): Promise<void> {
    for (const each of due) {
      // The times of one may take a while to find: what else comes in waits for no more than that.
      await ownTurn();
      if (this.#isStopped) return;
      const { queue, name } = each.schedule;
      const key = `${queue} ${name}`;
      // The store is slow: this one was told again before it has answered.
      if (this.#firing.has(key)) continue;
      const fired = this.#fireOne(each).finally(() => this.#firing.delete(key));
      this.#firing.set(key, fired);
    }
  }

  async #fireOne({ schedule, now }: DueSchedule): Promise<void> {
    const { queue, name, job } = schedule;
    try {
      const most = Math.max(1, Math.floor(FIRING_BYTES / Math.max(1, payloadBytes(job.payload))));
      await this.#fireWhatFits(schedule, now, firstOf(planFiring(schedule, now), most));
    } catch (error) {
      const reason = error instanceof TaskQueueError ? error.reason : undefined;
      // It went with its queue, or the store is to be told of no more.
      if (reason === "QUEUE_NOT_FOUND" || (this.#isStopped && isUnavailable(error))) return;
      const why = reason === "QUEUE_FULL" ? "a schedule finds its queue full" : "a schedule could not be fired";
      this.#deps.logger.warn({ err: error, queue, schedule: name }, `${why}; trying again`);
    }
  }

  /** Fires a plan; where there is no room for all of its jobs, for as many as there is. */
  async #fireWhatFits(schedule: Schedule, now: number, plan: FiringPlan): Promise<void> {
    for (let left = plan; ; ) {
      try {
        await this.#fire(schedule, now, left);
        return;
      } catch (error) {
        const reason = error instanceof TaskQueueError ? error.reason : undefined;
        if (reason !== "QUEUE_FULL" && reason !== "JOB_EXISTS") throw error;
        const [at = now, second] = left.times;
        if (second !== undefined) left = firstOf(left, Math.ceil(left.times.length / 2));
        else if (reason === "QUEUE_FULL") throw error;
        // Its job has a unique key, and gives way to the one that has it.
        else left = { ...left, times: [], skip: { at, reason: "OVERLAP" } };
      }
    }
  }

  async #fire(schedule: Schedule, now: number, { times, nextRunAt, skip }: FiringPlan): Promise<void> {
    const { queue, name, overlap, maxRuns } = schedule;
    const jobs = times.map((time) => this.#newJob(schedule, time, now));
    const skipsOverlap = overlap === "SKIP";
    const firing = { queue, name, was: schedule, jobs, skipsOverlap, nextRunAt, maxRuns, skip };
    const result = await this.#deps.backend.fireSchedule(firing);
    if (result.outcome === "STALE") return;
    const left = result.outcome === "SKIPPED" ? "OVERLAP" : skip?.reason;
    if (left === "OVERLAP" || left === "MISFIRE") this.#deps.observer.scheduleSkipped(queue, schedule.job.type, left);
    this.#created(schedule, jobs, result);
  }

  #newJob({ queue, name, job, jitterMs }: Schedule, time: number, now: number): NewJob {
    const delayMs = jitterMs === 0 ? 0 : Math.max(0, time + Math.floor(this.#deps.random() * (jitterMs + 1)) - now);
    return { ...this.#deps.newJobs({ ...job, queue, delayMs }, undefined), schedule: name, scheduledFor: time };
  }

  #created({ queue, job }: Schedule, jobs: readonly NewJob[], result: FiringResult): void {
    if (result.outcome !== "FIRED" || jobs.length === 0) return;
    const count = result.results.filter(({ deduplicated }) => !deduplicated).length;
    if (count > 0) {
      this.#deps.observer.enqueued(queue, job.type, count);
      this.#deps.observer.scheduleFired(queue, job.type, count);
    }
    this.#log.created(jobs, result.results);
  }
}
