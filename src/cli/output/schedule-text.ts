import type { Schedule } from "../../client/index.js";
import { inLine, type Style } from "./style.js";
import { tableText } from "./table.js";
import { distanceText, durationText, momentText } from "./times.js";

/** Schedules as a table. */
export function scheduleTable(
  schedules: readonly Schedule[],
  { style, width, now }: { readonly style: Style; readonly width: number; readonly now: number },
): string {
  const columns = [
    { title: "QUEUE" },
    { title: "NAME" },
    { title: "STATE" },
    { title: "NEXT" },
    { title: "LAST" },
    { title: "RUNS", isRight: true },
    { title: "WHEN", isElastic: true },
  ];
  const rows = schedules.map((schedule) => [
    inLine(schedule.queue),
    inLine(schedule.name),
    { text: schedule.state, look: schedule.state === "ACTIVE" ? ("green" as const) : ("yellow" as const) },
    schedule.nextRunAt === undefined ? "" : distanceText(schedule.nextRunAt, now),
    schedule.lastRunAt === undefined ? "" : distanceText(schedule.lastRunAt, now),
    schedule.runs,
    whenText(schedule),
  ]);
  return tableText(columns, rows, { style, width });
}

/** A schedule as a person reads it, on several lines. */
export function scheduleText(schedule: Schedule, style: Style, now: number): string {
  const line = (label: string, text: string | undefined) =>
    text === undefined || text === "" ? "" : `  ${style("dim", label.padEnd(10))}  ${text}\n`;
  const moment = (at: number | undefined) => (at === undefined ? undefined : momentText(at, now));
  const { lastSkip, job, maxRuns } = schedule;
  return [
    `${style("bold", `schedule ${inLine(schedule.name)} of ${inLine(schedule.queue)}`)}\n`,
    line("state", `${schedule.state}${schedule.queuePaused ? ", and its queue is paused: jobs wait" : ""}`),
    line("when", whenText(schedule)),
    line("next", moment(schedule.nextRunAt)),
    line("last", moment(schedule.lastRunAt)),
    line("last job", inLine(schedule.lastJobId ?? "")),
    line("made none", lastSkip && `${momentText(lastSkip.at, now)}: ${lastSkip.reason}`),
    line("runs", `${schedule.runs}${maxRuns === undefined ? "" : ` of ${maxRuns}`}`),
    line("policies", `overlap ${schedule.overlap}, misfire ${schedule.misfire}`),
    line("jitter", schedule.jitterMs > 0 ? durationText(schedule.jitterMs) : ""),
    line("starts", moment(schedule.startsAt)),
    line("ends", moment(schedule.endsAt)),
    line("job type", inLine(job.type)),
    line("payload", contentText(schedule)),
  ].join("");
}

function whenText({ cron, everyMs, timeZone }: Schedule): string {
  return cron === undefined ? `every ${durationText(everyMs ?? 0)}` : `${inLine(cron)} ${timeZone}`;
}

function contentText({ job: { payload }, payloadText = "" }: Schedule): string {
  return payload instanceof Uint8Array ? `${payload.byteLength} bytes` : inLine(payloadText);
}
