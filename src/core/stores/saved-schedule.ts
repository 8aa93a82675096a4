import type { ScheduledJob } from "../../model/request/schedule.js";

/** A job of a schedule as JSON has it: bytes as base64. */
type SavedJob = Omit<ScheduledJob, "payload"> & { readonly payload?: string; readonly payloadBytes?: string };

/** Writes a schedule, or a part of it with its job, as JSON with named fields; those that are undefined are left out. */
export function writeSchedule<T extends { readonly job: ScheduledJob }>(schedule: T): string {
  const { payload } = schedule.job;
  if (payload === undefined || typeof payload === "string") return JSON.stringify(schedule);
  const payloadBytes = Buffer.from(payload).toString("base64");
  return JSON.stringify({ ...schedule, job: { ...schedule.job, payload: undefined, payloadBytes } });
}

/** Reads what `writeSchedule` wrote. Fields that are not known here are kept. */
export function readSchedule<T extends { readonly job: ScheduledJob }>(text: string): T {
  const { job, ...schedule } = JSON.parse(text) as Omit<T, "job"> & { readonly job: SavedJob };
  const { payloadBytes, ...rest } = job;
  const payload = payloadBytes === undefined ? rest.payload : Uint8Array.from(Buffer.from(payloadBytes, "base64"));
  return { ...schedule, job: payload === undefined ? rest : { ...rest, payload } } as unknown as T;
}
