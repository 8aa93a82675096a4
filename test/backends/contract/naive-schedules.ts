import type { Firing, NewSchedule, ScheduleChange, ScheduleVersion } from "../../../src/core/port/schedule-store.js";
import type { Schedule } from "../../../src/model/request/schedule.js";

/** A schedule as it should be, and when a tick is to tell it as due, by the wall clock; infinity: never. */
interface NaiveSchedule {
  schedule: Schedule;
  tellAt: number;
}

/** What came of a firing, as far as the schedule decides it: whether its jobs are to be created, and what is told. */
export type NaiveFiring = "STALE" | "SKIPPED" | "FIRE";

/** The rules of schedules a second time: a list that is scanned. */
export class NaiveSchedules {
  readonly #all: NaiveSchedule[] = [];

  /** All of them, in the order of their creation. */
  get all(): readonly Schedule[] {
    return this.#all.map(({ schedule }) => schedule);
  }

  /** When the next is to be told, by the wall clock. */
  get nextAt(): number {
    return Math.min(...this.#all.map(({ tellAt }) => tellAt));
  }

  find(queue: string, name: string): Schedule | undefined {
    return this.#find(queue, name)?.schedule;
  }

  /** Returns whether there was none of its name. */
  create({ spec, paused, createdAt, nextRunAt }: NewSchedule): boolean {
    if (this.#find(spec.queue, spec.name) !== undefined) return false;
    const unset = { lastRunAt: undefined, lastJobId: undefined, lastSkip: undefined };
    const schedule = { ...spec, paused, revision: 1, createdAt, updatedAt: createdAt, nextRunAt, runs: 0, ...unset };
    this.#all.push({ schedule, tellAt: nextRunAt ?? Number.POSITIVE_INFINITY });
    return true;
  }

  /** Returns whether it was as it was read. */
  change({ spec, paused, nextRunAt, was }: ScheduleChange, now: number): boolean {
    const found = this.#find(spec.queue, spec.name);
    if (found === undefined || !isSame(found.schedule, was)) return false;
    const { schedule } = found;
    const updatedAt = Math.max(schedule.updatedAt, now);
    const { cron: _cron, everyMs: _every, ...before } = schedule;
    found.schedule = { ...before, ...spec, paused, nextRunAt, revision: schedule.revision + 1, updatedAt };
    found.tellAt = nextRunAt ?? Number.POSITIVE_INFINITY;
    return true;
  }

  /** Returns whether there was one. */
  delete(queue: string, name: string): boolean {
    const at = this.#all.findIndex(({ schedule }) => schedule.queue === queue && schedule.name === name);
    if (at >= 0) this.#all.splice(at, 1);
    return at >= 0;
  }

  /** What a firing is to do. `isUnfinished`: whether a job waits or runs. */
  decide(firing: Firing, isUnfinished: (id: string) => boolean): NaiveFiring {
    const schedule = this.find(firing.queue, firing.name);
    if (schedule === undefined || !isSame(schedule, firing.was)) return "STALE";
    const { lastJobId } = schedule;
    const overlaps = firing.skipsOverlap && lastJobId !== undefined && isUnfinished(lastJobId);
    return overlaps && firing.jobs.length > 0 ? "SKIPPED" : "FIRE";
  }

  /** It moves on. `made`: the ids of its jobs; undefined: it skipped them. */
  moveOn(firing: Firing, made: readonly string[] | undefined): void {
    const found = this.#find(firing.queue, firing.name);
    if (found === undefined) return;
    const { schedule } = found;
    const { byHand = false, jobs, maxRuns = Number.POSITIVE_INFINITY } = firing;
    const at = jobs.at(-1)?.scheduledFor;
    let { lastSkip, lastRunAt, lastJobId, runs, nextRunAt } = schedule;
    if (made === undefined) lastSkip = { at: at ?? 0, reason: "OVERLAP" };
    else if (made.length > 0) {
      if (lastSkip?.at === nextRunAt) lastSkip = undefined;
      [lastRunAt, lastJobId] = [at, made.at(-1)];
      if (!byHand) runs += made.length;
    }
    if (made !== undefined && firing.skip !== undefined) lastSkip = firing.skip;
    if (!byHand) nextRunAt = runs >= maxRuns ? undefined : firing.nextRunAt;
    found.schedule = { ...schedule, lastSkip, lastRunAt, lastJobId, runs, nextRunAt };
    found.tellAt = nextRunAt ?? Number.POSITIVE_INFINITY;
  }

  /** Its queue had no room for its jobs. */
  noRoom({ queue, name, byHand }: Firing): void {
    const found = this.#find(queue, name);
    const at = found?.schedule.nextRunAt;
    if (found === undefined || at === undefined || byHand) return;
    found.schedule = { ...found.schedule, lastSkip: { at, reason: "QUEUE_FULL" } };
  }

  /** The names of those that a tick tells now, with their queues. */
  tell(now: number): string[] {
    const due = this.#all.filter(({ tellAt }) => tellAt <= now);
    // A tenth of how late it is, from one second to thirty.
    for (const each of due) {
      const lateMs = now - (each.schedule.nextRunAt ?? now);
      each.tellAt = now + Math.max(1000, Math.min(30_000, Math.floor(lateMs / 10)));
    }
    return due.map(({ schedule: { queue, name } }) => `${queue} ${name}`);
  }

  #find(queue: string, name: string): NaiveSchedule | undefined {
    return this.#all.find(({ schedule }) => schedule.queue === queue && schedule.name === name);
  }
}

function isSame(schedule: Schedule, { createdAt, revision, nextRunAt }: ScheduleVersion): boolean {
  return schedule.createdAt === createdAt && schedule.revision === revision && schedule.nextRunAt === nextRunAt;
}
