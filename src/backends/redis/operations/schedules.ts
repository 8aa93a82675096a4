import {
  createdSchedule,
  type NewSchedule,
  type ScheduleChange,
  type SchedulePage,
  type ScheduleQuery,
  scheduleBytes,
} from "../../../core/port/schedule-store.js";
import { queueNotFound, scheduleExists, scheduleNotFound } from "../../../model/common/errors.js";
import { LIMITS } from "../../../model/common/limits.js";
import type { Schedule } from "../../../model/request/schedule.js";
import { nextRunText, readStored, versionText, writeScheduleSpec, writeStanding } from "../layout/codec-schedule.js";
import { SCHEDULES } from "../layout/features.js";
import type { Reply } from "../link/connection.js";
import { type QueueCalls, text } from "../queues/queue-calls.js";

/** Keeps the schedules of queues. Firing one is a create; see `Creates.fire`. */
export class Schedules {
  readonly #calls: QueueCalls;
  readonly #checkFeatures: (queue: string, needed: readonly string[]) => Promise<void>;

  /** `checkFeatures` throws UPGRADE_REQUIRED when a live server lacks one of the features. */
  constructor(calls: QueueCalls, checkFeatures: (queue: string, needed: readonly string[]) => Promise<void>) {
    this.#calls = calls;
    this.#checkFeatures = checkFeatures;
  }

  async create(given: NewSchedule, mayNeed = false): Promise<Schedule> {
    const schedule = createdSchedule(given);
    const { queue, name } = schedule;
    const args = [name, writeStanding(schedule), writeScheduleSpec(given.spec), mayNeed ? 1 : 0];
    const { rest } = await this.#calls.call("createSchedule", queue, args);
    const code = text(rest[0]);
    if (code === "E") throw scheduleExists(queue, name);
    if (code === "U") {
      await this.#checkFeatures(queue, [SCHEDULES]);
      return this.create(given, true);
    }
    refuse(code, queue, name);
    return schedule;
  }

  async get(queue: string, name: string): Promise<Schedule> {
    const { rest } = await this.#calls.call("getSchedule", queue, [name]);
    refuse(codeOf(rest), queue, name);
    const [schedule] = readAll(rest);
    if (schedule === undefined) throw scheduleNotFound(queue, name);
    return schedule;
  }

  async list({ queue, after = "", limit }: ScheduleQuery): Promise<SchedulePage> {
    const { rest } = await this.#calls.call("listSchedules", queue, [after, limit, LIMITS.pageBytes]);
    const [count, ...parts] = rest;
    refuse(count instanceof Buffer ? text(count) : "", queue, "");
    const schedules = readAll(parts);
    return { schedules, next: Number(count) > schedules.length ? schedules.at(-1)?.name : undefined };
  }

  async update({ spec, paused, nextRunAt, was }: ScheduleChange): Promise<Schedule | undefined> {
    const { queue, name } = spec;
    const written = writeScheduleSpec(spec);
    const args = [name, versionText(was), written, nextRunText(nextRunAt), paused ? 1 : 0];
    // Pausing one, or making it smaller, needs no room.
    const script = scheduleBytes(spec) > scheduleBytes(was) ? "enlargeSchedule" : "updateSchedule";
    const { rest } = await this.#calls.call(script, queue, args);
    const [code, standing] = rest.map(text);
    if (code === "M") return undefined;
    refuse(code ?? "", queue, name);
    // Of a repeat: it may be gone by now.
    if (!standing) throw scheduleNotFound(queue, name);
    return readStored(standing, written);
  }

  async delete(queue: string, name: string): Promise<void> {
    const { rest } = await this.#calls.call("deleteSchedule", queue, [name]);
    refuse(text(rest[0]), queue, name);
  }
}

/** Reads schedules from how each stands, and its spec. */
export function readAll(parts: readonly Reply[]): Schedule[] {
  const schedules: Schedule[] = [];
  for (let at = 0; at < parts.length; at += 2) schedules.push(readStored(text(parts[at]), text(parts[at + 1])));
  return schedules;
}

/** What a script answered alone, if it is no schedule. */
function codeOf(rest: readonly Reply[]): string {
  return rest.length === 1 ? text(rest[0]) : "";
}

function refuse(code: string, queue: string, name: string): void {
  if (code === "N") throw queueNotFound(queue);
  if (code === "S") throw scheduleNotFound(queue, name);
}
