import fc from "fast-check";
import { expect } from "vitest";
import type { TickResult } from "../../../src/core/backend.js";
import type { Firing } from "../../../src/core/port/schedule-store.js";
import { type ErrorReason, TaskQueueError } from "../../../src/model/common/errors.js";
import type { Schedule } from "../../../src/model/request/schedule.js";
import { newJob } from "../../support/job.js";
import { newSchedule } from "../../support/schedule.js";
import type { OpenedBackend } from "./harness.js";
import { same } from "./model-compare.js";
import type { NaiveModel } from "./naive-model.js";

/** The steps of a model run that concern schedules. `nth`: of those there are, modulo their number. */
export type ScheduleCommand =
  | {
      readonly kind: "plan";
      readonly queue: string;
      readonly name: string;
      /** Until its first run, ms. */
      readonly inMs: number;
      readonly overlap: Schedule["overlap"];
      readonly maxRuns: number | undefined;
    }
  | { readonly kind: "replan"; readonly nth: number; readonly paused: boolean; readonly isStale: boolean }
  | { readonly kind: "unplan"; readonly nth: number }
  | {
      readonly kind: "fire";
      readonly nth: number;
      readonly jobs: number;
      readonly isStale: boolean;
      readonly byHand: boolean;
      readonly skips: boolean;
    };

/** Time between two runs, ms. */
const EVERY_MS = 3000;

/** The commands, each with how often it is to come. */
export function scheduleCommands(queue: fc.Arbitrary<string>) {
  const nth = fc.nat(8);
  const rarely = fc.constantFrom(false, false, false, true);
  return [
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("plan" as const),
        queue,
        name: fc.constantFrom("a", "b", "c.d"),
        inMs: fc.constantFrom(0, 1000, 2000, 10_000),
        overlap: fc.constantFrom("ALLOW" as const, "SKIP" as const),
        maxRuns: fc.constantFrom(undefined, undefined, 1, 3),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("replan" as const), nth, paused: fc.boolean(), isStale: rarely }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("unplan" as const), nth }) },
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant("fire" as const),
        nth,
        // Seven are too many for the queue with limits.
        jobs: fc.constantFrom(0, 1, 1, 1, 2, 7),
        isStale: rarely,
        byHand: rarely,
        skips: rarely,
      }),
    },
  ];
}

/** Situations with schedules that must occur. */
export const SCHEDULE_SITUATIONS = [
  ...["planned", "SCHEDULE_EXISTS", "replanned", "replan STALE", "unplanned", "told", "told again"],
  ...["fire FIRED", "fire SKIPPED", "fire STALE", "fire FIRED by hand", "fire QUEUE_FULL", "fire ended"],
];

/** Gives the commands on schedules to a backend and to the model, and compares what comes of them. */
export class ScheduleSteps {
  readonly #opened: OpenedBackend;
  readonly #model: NaiveModel;
  readonly #reached: Set<string>;
  readonly #newId: () => string;

  /** `newId`: makes the number of the next job. */
  constructor(opened: OpenedBackend, model: NaiveModel, reached: Set<string>, newId: () => string) {
    this.#opened = opened;
    this.#model = model;
    this.#reached = reached;
    this.#newId = newId;
  }

  async plan({ inMs, kind: _kind, ...spec }: ScheduleCommand & { readonly kind: "plan" }): Promise<void> {
    const { now, schedules } = this.#model;
    const given = newSchedule(now, { ...spec, everyMs: EVERY_MS, nextRunAt: now + inMs });
    const call = this.#opened.backend.createSchedule(given);
    if (!schedules.create(given)) {
      this.#reached.add(await this.#refusal(call, "SCHEDULE_EXISTS"));
      return;
    }
    expect(await call).toEqual(schedules.find(spec.queue, spec.name));
    this.#reached.add("planned");
  }

  async replan({ nth, paused, isStale }: ScheduleCommand & { readonly kind: "replan" }): Promise<void> {
    const { now, schedules } = this.#model;
    const schedule = this.#nth(nth);
    if (schedule === undefined) return;
    const { queue, name, createdAt, overlap, maxRuns } = schedule;
    const { spec } = newSchedule(createdAt, { queue, name, overlap, maxRuns, everyMs: EVERY_MS + 1000 });
    const was = isStale ? { ...schedule, revision: schedule.revision + 1 } : schedule;
    const change = { spec, paused, nextRunAt: paused ? undefined : now + EVERY_MS, was };
    const changed = await this.#opened.backend.updateSchedule(change);
    if (schedules.change(change, now)) {
      expect(changed).toEqual(schedules.find(queue, name));
      this.#reached.add("replanned");
    } else {
      expect(changed).toBeUndefined();
      this.#reached.add("replan STALE");
    }
  }

  async unplan({ nth }: ScheduleCommand & { readonly kind: "unplan" }): Promise<void> {
    const schedule = this.#nth(nth);
    if (schedule === undefined) return;
    await this.#opened.backend.deleteSchedule(schedule.queue, schedule.name);
    same(this.#model.schedules.delete(schedule.queue, schedule.name), true);
    await this.#refusal(this.#opened.backend.getSchedule(schedule.queue, schedule.name), "SCHEDULE_NOT_FOUND");
    this.#reached.add("unplanned");
  }

  async fire(command: ScheduleCommand & { readonly kind: "fire" }): Promise<void> {
    const schedule = this.#nth(command.nth);
    if (schedule === undefined) return;
    const { schedules } = this.#model;
    const firing = this.#firing(schedule, command);
    const isUnfinished = (id: string) => ["PENDING", "RUNNING"].includes(this.#model.find(id)?.job.status ?? "");
    const decided = schedules.decide(firing, isUnfinished);
    const call = this.#opened.backend.fireSchedule(firing);
    if (decided === "FIRE" && this.#model.refuses(firing.jobs).length > 0) {
      this.#reached.add(`fire ${await this.#refusal(call, "QUEUE_FULL")}`);
      schedules.noRoom(firing);
    } else {
      const made = decided === "FIRE" ? this.#model.enqueue(firing.jobs) : undefined;
      const result = await call;
      same(result.outcome, decided === "FIRE" ? "FIRED" : decided);
      if (result.outcome === "FIRED") expect(result.results).toMatchObject(made ?? []);
      if (decided !== "STALE")
        schedules.moveOn(
          firing,
          made?.map(({ id }) => id),
        );
      this.#reached.add(`fire ${result.outcome}`);
      if (command.byHand && made !== undefined) this.#reached.add("fire FIRED by hand");
    }
    const expected = schedules.find(schedule.queue, schedule.name);
    if (schedule.nextRunAt !== undefined && expected?.nextRunAt === undefined) this.#reached.add("fire ended");
    expect(await this.#opened.backend.getSchedule(schedule.queue, schedule.name)).toEqual(expected);
  }

  /** Compares what ticks, all at the same time, tell as due. */
  compareTold(ticks: readonly TickResult[]): void {
    const { schedules, now } = this.#model;
    const told = ticks.flatMap((tick) => tick.schedules);
    for (const { schedule } of told) expect(schedule).toEqual(schedules.find(schedule.queue, schedule.name));
    const names = told.map(({ schedule: { queue, name } }) => `${queue} ${name}`);
    const again = schedules.all.filter(({ nextRunAt = now }) => nextRunAt + 1000 <= now);
    same(names.toSorted(), schedules.tell(now).toSorted());
    if (names.length > 0) this.#reached.add("told");
    if (again.some(({ queue, name }) => names.includes(`${queue} ${name}`))) this.#reached.add("told again");
  }

  #firing(schedule: Schedule, { jobs: count, isStale, byHand, skips }: ScheduleCommand & { kind: "fire" }): Firing {
    const { now } = this.#model;
    const { queue, name, overlap, maxRuns, createdAt, revision, nextRunAt = now } = schedule;
    const jobs = Array.from({ length: count }, (_, at) => {
      const time = byHand ? now : nextRunAt + at * EVERY_MS;
      return newJob({ id: this.#newId(), queue, type: "mail", schedule: name, scheduledFor: time });
    });
    return {
      ...{ queue, name, jobs, maxRuns, byHand, skipsOverlap: overlap === "SKIP" && !byHand },
      was: { createdAt, revision, nextRunAt: isStale ? nextRunAt - 1 : schedule.nextRunAt },
      nextRunAt: Math.max(now, nextRunAt) + EVERY_MS,
      skip: skips ? { at: nextRunAt, reason: "MISFIRE" } : undefined,
    };
  }

  #nth(at: number): Schedule | undefined {
    const { all } = this.#model.schedules;
    return all.length === 0 ? undefined : all[at % all.length];
  }

  async #refusal(call: Promise<unknown>, reason: ErrorReason): Promise<ErrorReason> {
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(TaskQueueError);
    expect(error).toMatchObject({ reason });
    return reason;
  }
}

/** Compares all schedules of the queues. */
export async function compareSchedules({ backend }: OpenedBackend, { schedules, queues }: NaiveModel): Promise<void> {
  for (const queue of queues.keys()) {
    const { schedules: found } = await backend.listSchedules({ queue, limit: 100 });
    const expected = schedules.all.filter((each) => each.queue === queue);
    expect(found).toEqual(expected.toSorted((a, b) => (a.name < b.name ? -1 : 1)));
  }
}
