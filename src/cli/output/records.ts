import type { DeadGroup, Job, JobChange, Queue, Schedule } from "../../client/index.js";

/** JSON that is written as it came. */
export class JsonText {
  constructor(readonly text: string) {}
}

/**
 * What scripts get: one object a line. Times as in RFC 3339, durations in ms, bytes in base64, what is not there left out. Fields that
 * are `JsonText` are to the letter.
 */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** The line of a record, without its end. */
export function recordLine(record: JsonRecord): string {
  const fields = Object.entries(record).flatMap(([name, value]) => {
    // White space between the parts of a JSON text may have line breaks and tabs; its strings have none.
    const text = value instanceof JsonText ? value.text.replace(/[\r\n\t]/g, " ") : JSON.stringify(value);
    return text === undefined ? [] : [`${JSON.stringify(name)}:${text}`];
  });
  return `{${fields.join(",")}}`;
}

const JOB_TIMES = ["runAfter", "startedAt", "finishedAt", "expiresAt", "scheduledFor", "createdAt", "updatedAt"];

/** The record of a job. */
export function jobRecord(job: Job): JsonRecord {
  const { payload, result, attemptErrors, traceContext: _, ...rest } = job;
  return {
    ...withTimes(rest, JOB_TIMES),
    ...content("payload", payload, job.payloadText),
    ...content("result", result, job.resultText),
    ...(attemptErrors.length > 0 && { attemptErrors: attemptErrors.map((each) => withTimes(each, ["at"])) }),
  };
}

/** The record of a change of a job. */
export function changeRecord(change: JobChange, cursor?: string): JsonRecord {
  return { ...withTimes(change, JOB_TIMES), ...(cursor !== undefined && { cursor }) };
}

/** The record of a queue. */
export function queueRecord(queue: Queue): JsonRecord {
  return withTimes(queue, ["createdAt", "nextSlotAt"]);
}

/** The record of a schedule. */
export function scheduleRecord(schedule: Schedule): JsonRecord {
  const { job, payloadText, lastSkip, ...rest } = schedule;
  const { payload, ...kept } = job;
  return {
    ...withTimes(rest, ["startsAt", "endsAt", "createdAt", "updatedAt", "nextRunAt", "lastRunAt"]),
    ...(lastSkip !== undefined && { lastSkip: withTimes(lastSkip, ["at"]) }),
    job: new JsonText(recordLine({ ...withTimes(kept, []), ...content("payload", payload, payloadText) })),
  };
}

/** The record of a group of dead jobs. */
export function groupRecord(group: DeadGroup): JsonRecord {
  return withTimes(group, ["lastDiedAt"]);
}

/** An object with these fields as times, and without what is not there. */
function withTimes(record: object, times: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(record)
      .filter(([, value]) => value !== undefined && value !== "")
      .map(([name, value]) => [name, times.includes(name) ? new Date(value as number).toISOString() : value]),
  );
}

function content(name: string, value: unknown, text: string | undefined): JsonRecord {
  if (text !== undefined) return { [name]: new JsonText(text) };
  if (value === undefined) return {};
  if (value instanceof Uint8Array) return { [`${name}Base64`]: Buffer.from(value).toString("base64") };
  return { [name]: value };
}
