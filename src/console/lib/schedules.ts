import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { useEffect, useRef, useState } from "preact/hooks";
import { PayloadFormat } from "../../../gen/gotaskq/v1/job_pb.js";
import {
  type Schedule,
  type ScheduleSchema,
  ScheduleState,
  SkipReason,
} from "../../../gen/gotaskq/v1/schedule_service_pb.js";
import { api } from "./api.js";
import { badFields, explain } from "./errors.js";
import { parseSpan, spanOf, spanText } from "./format.js";

/** Schedules that one call reads. */
const PAGE = 100;

/** Most calls for one reading: a page may have few schedules although there are more. */
const MAX_CALLS = 20;

/** Schedules, and whether there are more. */
export interface FoundSchedules {
  readonly list: readonly Schedule[];
  readonly hasMore: boolean;
}

/** Reads schedules of a queue, or of all, by queue and name: about as many as wanted. */
export async function listSchedules(queue: string, wanted: number, signal: AbortSignal): Promise<FoundSchedules> {
  const list: Schedule[] = [];
  let pageToken = "";
  for (let calls = 0; calls < MAX_CALLS && list.length < wanted; calls++) {
    const page = await api.schedules.listSchedules(
      { queue, pageSize: PAGE, pageToken, payloadFormat: PayloadFormat.TEXT },
      { signal },
    );
    list.push(...page.schedules);
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  return { list, hasMore: pageToken !== "" };
}

/** When a schedule runs, as in `0 6 * * MON-FRI, Europe/Berlin` and `every 5 min`. */
export function timesText({ spec, timeZone }: Schedule): string {
  if (spec.case === "cron") return `${spec.value}, ${timeZone}`;
  return spec.case === "every" ? `every ${spanOf(spec.value)}` : "";
}

/** When a schedule runs, as `readTimes` reads it. */
export function timesInput({ spec }: Schedule): string {
  if (spec.case === "cron") return spec.value;
  return spec.case === "every" ? spanText(spec.value) : "";
}

/** What was typed for when a schedule runs: an interval such as `5m`, or else a cron expression. */
export function readTimes(text: string): MessageInitShape<typeof ScheduleSchema>["spec"] {
  const every = parseSpan(text);
  return every === undefined ? { case: "cron", value: text.trim() } : { case: "every", value: durationFromMs(every) };
}

/** Why a schedule makes no jobs; undefined: it makes some. */
export function whyIdle({ state, queuePaused }: Schedule): string | undefined {
  if (state === ScheduleState.PAUSED) return "It makes no jobs until it is resumed.";
  if (state === ScheduleState.COMPLETED) return "It has made as many jobs as it was to.";
  if (state === ScheduleState.ENDED) return "None of its times is left.";
  return queuePaused ? "Its queue is paused: its jobs wait." : undefined;
}

const SKIPS = new Map([
  [SkipReason.OVERLAP, "its last job was not finished"],
  [SkipReason.MISFIRE, "no server ran then"],
  [SkipReason.QUEUE_FULL, "its queue was full"],
]);

/** Why its last time that made no job made none. */
export function skipText({ lastSkip }: Schedule): string {
  return SKIPS.get(lastSkip?.reason ?? SkipReason.UNSPECIFIED) ?? "";
}

/** What the server says of times that are typed: the next of them, or what is wrong, by field. */
export interface Preview {
  readonly times: readonly Timestamp[];
  readonly problems: ReadonlyMap<string, string>;
}

/** How long nothing is typed before the server is asked, ms. */
const PAUSE_MS = 250;

const NOTHING: Preview = { times: [], problems: new Map() };

/** Asks the server for the next times of what is typed, while it is typed. */
export function usePreview(times: string, timeZone: string): Preview {
  const [preview, setPreview] = useState(NOTHING);
  const asked = useRef(0);
  useEffect(() => {
    const turn = ++asked.current;
    const leave = new AbortController();
    if (times.trim() === "") {
      setPreview(NOTHING);
      return;
    }
    const timer = setTimeout(async () => {
      const schedule = { spec: readTimes(times), timeZone: timeZone.trim() };
      const found = await api.schedules.previewSchedule({ schedule }, { signal: leave.signal }).then(
        ({ times }) => ({ times, problems: new Map<string, string>() }),
        (error) => ({ times: [], problems: problemsOf(error) }),
      );
      if (turn === asked.current && !leave.signal.aborted) setPreview(found);
    }, PAUSE_MS);
    return () => {
      leave.abort();
      clearTimeout(timer);
    };
  }, [times, timeZone]);
  return preview;
}

/** What is wrong with a schedule, by the name of the field in the form: of a part of a field, by that of the field. */
export function problemsOf(error: unknown): ReadonlyMap<string, string> {
  const fields = [...badFields(error)].map(([path, text]) => {
    const name = path.replace(/^schedule\./, "").replace(/^job\./, "");
    const top = name.split(/[.[]/, 1)[0] ?? name;
    return [FORM_NAMES[top] ?? top, text] as const;
  });
  return fields.length > 0 ? new Map(fields) : new Map([["", explain(error)]]);
}

/** Fields whose name in the API differs from that in the form. */
const FORM_NAMES: Readonly<Record<string, string>> = {
  cron: "times",
  every: "times",
  time_zone: "timeZone",
  max_runs: "maxRuns",
  max_retries: "maxRetries",
  payload_json: "payload",
};
