import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { useState } from "preact/hooks";
import {
  MisfirePolicy,
  OverlapPolicy,
  type Schedule,
  ScheduledJobSchema,
  type ScheduleSchema,
} from "../../../gen/gotaskq/v1/schedule_service_pb.js";
import { api } from "../lib/api.js";
import { parseSpan, spanText } from "../lib/format.js";
import { pretty, readJson } from "../lib/json.js";
import { tell } from "../lib/notices.js";
import { useQueueNames } from "../lib/queue-names.js";
import { problemsOf, readTimes, timesInput, usePreview } from "../lib/schedules.js";
import { Dialog, FormEnd } from "./dialog.js";
import { Field } from "./field.js";

/** Properties of `ScheduleForm`. */
export interface ScheduleFormProps {
  /** The schedule to change; undefined to create one. */
  readonly schedule: Schedule | undefined;
  /** The queue to begin with. */
  readonly queue: string;
  readonly onClose: () => void;
  readonly onDone: () => void;
}

type Request = MessageInitShape<typeof ScheduleSchema>;
type Problems = ReadonlyMap<string, string>;

/** What the form changes; the rest of a schedule stays as it is. */
const MASK = ["cron", "time_zone", "job", "overlap", "misfire", "max_runs", "jitter"];

const ZONES = Intl.supportedValuesOf("timeZone");

function draftOf(schedule: Schedule | undefined, queue: string) {
  const { job } = schedule ?? {};
  const payload = job?.payloadKind;
  return {
    name: schedule?.name ?? "",
    queue: schedule?.queue ?? queue,
    times: schedule ? timesInput(schedule) : "",
    timeZone: schedule?.timeZone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone,
    type: job?.type ?? "",
    payload: payload?.case === "payloadJson" ? pretty(payload.value) : "",
    overlap: String(schedule?.overlap || OverlapPolicy.ALLOW),
    misfire: String(schedule?.misfire || MisfirePolicy.RUN_ONCE),
    maxRuns: schedule?.maxRuns ? String(schedule.maxRuns) : "",
    jitter: spanText(schedule?.jitter),
    priority: String(job?.priority ?? 0),
    maxRetries: String(job?.maxRetries ?? ""),
  };
}

type Draft = ReturnType<typeof draftOf>;

/** Converts the typed form to a request, and returns the problems of its fields. */
function readDraft(draft: Draft, before: Schedule | undefined): { request: Request; problems: Problems } {
  const problems = new Map<string, string>();
  const wholeOf = (name: "maxRuns" | "priority" | "maxRetries") => {
    const text = draft[name].trim();
    if (!/^\d{0,9}$/.test(text)) problems.set(name, "Write a whole number.");
    return text === "" ? undefined : Number(text);
  };
  for (const name of ["name", "times", "type"] as const) {
    if (draft[name].trim() === "") problems.set(name, "This is needed.");
  }
  const jitter = draft.jitter.trim() === "" ? undefined : parseSpan(draft.jitter);
  if (jitter === undefined && draft.jitter.trim() !== "") problems.set("jitter", "Write a time like 30s or 5m.");
  const json = draft.payload.trim() === "" ? undefined : readJson(draft.payload);
  if (json !== undefined && "problem" in json) problems.set("payload", json.problem);
  const kept = before?.job ?? create(ScheduledJobSchema);
  const maxRetries = wholeOf("maxRetries");
  const { maxRetries: _, ...others } = kept;
  // Bytes are not shown, and what was not touched stays to the letter.
  const isKept = draft.payload === draftOf(before, draft.queue).payload;
  const isBytes = kept.payloadKind.case === "payloadBytes" && json === undefined;
  const typed =
    json !== undefined && "text" in json ? ({ case: "payloadJson", value: json.text } as const) : { case: undefined };
  const job = {
    ...others,
    type: draft.type.trim(),
    priority: wholeOf("priority") ?? 0,
    ...(maxRetries !== undefined && { maxRetries }),
    payloadKind: isKept || isBytes ? kept.payloadKind : typed,
  };
  const request: Request = {
    queue: draft.queue,
    name: draft.name.trim(),
    spec: readTimes(draft.times),
    timeZone: draft.timeZone.trim(),
    job: job as NonNullable<Request["job"]>,
    overlap: Number(draft.overlap) as OverlapPolicy,
    misfire: Number(draft.misfire) as MisfirePolicy,
    maxRuns: wholeOf("maxRuns") ?? 0,
    ...(jitter !== undefined && { jitter: durationFromMs(jitter) }),
  };
  return { request, problems };
}

/** A form that creates a schedule or changes it, and tells its next times while they are typed. */
export function ScheduleForm({ schedule, queue, onClose, onDone }: ScheduleFormProps) {
  const [draft, setDraft] = useState(() => draftOf(schedule, queue));
  const [problems, setProblems] = useState<Problems>(new Map());
  const names = useQueueNames(draft.queue);
  const preview = usePreview(draft.times, draft.timeZone);
  const problemOf = (name: string) => preview.problems.get(name) ?? problems.get(name);
  const bind = (name: keyof Draft) => ({
    value: draft[name],
    onInput: (event: Event) => setDraft({ ...draft, [name]: (event.currentTarget as HTMLInputElement).value }),
  });

  const submit = async (event: Event) => {
    event.preventDefault();
    const { request, problems: found } = readDraft(draft, schedule);
    setProblems(found);
    if (found.size > 0) return;
    try {
      if (schedule === undefined) await api.schedules.createSchedule({ schedule: request });
      else await api.schedules.updateSchedule({ schedule: request, updateMask: { paths: MASK } });
      tell(schedule === undefined ? `Schedule ${request.name} is there.` : `Schedule ${request.name} is changed.`);
      onDone();
      onClose();
    } catch (error) {
      setProblems(problemsOf(error));
    }
  };

  return (
    <Dialog title={schedule === undefined ? "New schedule" : `Schedule ${schedule.name}`} onClose={onClose}>
      <form class="form" onSubmit={submit} noValidate>
        {schedule === undefined && (
          <div class="columns">
            <Field label="Name" problem={problemOf("name")} hint="Lower-case letters, digits, and . _ - inside.">
              <input autocomplete="off" spellcheck={false} {...bind("name")} />
            </Field>
            <Field label="Queue" problem={problemOf("queue")}>
              <select {...bind("queue")}>
                {names.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </Field>
          </div>
        )}
        <div class="columns">
          <Field
            label="When"
            problem={problemOf("times")}
            hint="A cron expression, as 0 6 * * MON-FRI, or 90s, 5m, 2h."
          >
            <input autocomplete="off" spellcheck={false} {...bind("times")} />
          </Field>
          <Field label="Time zone" problem={problemOf("timeZone")} hint="Of the cron expression, as Europe/Berlin.">
            <input list="zones" autocomplete="off" spellcheck={false} {...bind("timeZone")} />
          </Field>
        </div>
        <datalist id="zones">
          {ZONES.map((zone) => (
            <option key={zone} value={zone} />
          ))}
        </datalist>
        <NextTimes times={preview.times} timeZone={draft.timeZone.trim()} />
        <Field label="Type" problem={problemOf("type")} hint="Selects the handler that runs its jobs.">
          <input autocomplete="off" spellcheck={false} {...bind("type")} />
        </Field>
        <Field
          label="Payload (JSON)"
          problem={problemOf("payload") ?? problemOf("payload_kind")}
          hint={
            schedule?.job?.payloadKind.case === "payloadBytes"
              ? "It has a payload of bytes, which stays unless you write another."
              : "Leave it empty for none."
          }
        >
          <textarea rows={5} spellcheck={false} {...bind("payload")} />
        </Field>
        <div class="columns">
          <Field label="While its last job is not finished" problem={problemOf("overlap")}>
            <select {...bind("overlap")}>
              <option value={String(OverlapPolicy.ALLOW)}>make another</option>
              <option value={String(OverlapPolicy.SKIP)}>make none</option>
            </select>
          </Field>
          <Field label="For times that were missed" problem={problemOf("misfire")}>
            <select {...bind("misfire")}>
              <option value={String(MisfirePolicy.RUN_ONCE)}>one job, for the last of them</option>
              <option value={String(MisfirePolicy.SKIP)}>no job</option>
              <option value={String(MisfirePolicy.RUN_ALL)}>a job each, up to 100</option>
            </select>
          </Field>
        </div>
        <details>
          <summary>More</summary>
          <div class="columns">
            <Field label="Most runs" problem={problemOf("maxRuns")} hint="Then it ends.">
              <input inputMode="numeric" placeholder="no limit" {...bind("maxRuns")} />
            </Field>
            <Field label="Jitter" problem={problemOf("jitter")} hint="Each job up to so much later, by chance.">
              <input placeholder="none" {...bind("jitter")} />
            </Field>
            <Field label="Priority" problem={problemOf("priority")} hint="0 (lowest) to 10.">
              <input inputMode="numeric" {...bind("priority")} />
            </Field>
            <Field label="Retries" problem={problemOf("maxRetries")} hint="Empty: as its queue has it.">
              <input inputMode="numeric" {...bind("maxRetries")} />
            </Field>
          </div>
        </details>
        <FormEnd
          failure={problems.get("") ?? ""}
          submit={schedule === undefined ? "Create the schedule" : "Change the schedule"}
          onClose={onClose}
        />
      </form>
    </Dialog>
  );
}

/** The next times of what is typed, as the clock of its time zone shows them. */
function NextTimes({ times, timeZone }: { readonly times: readonly Timestamp[]; readonly timeZone: string }) {
  if (times.length === 0) return null;
  const format = formatIn(timeZone || "UTC");
  return (
    <div role="status">
      <p class="hint">Next times, in {timeZone || "UTC"}:</p>
      <ol class="times">
        {times.map((time) => (
          <li key={timestampMs(time)}>{format.format(timestampMs(time))}</li>
        ))}
      </ol>
    </div>
  );
}

function formatIn(timeZone: string): Intl.DateTimeFormat {
  const options = { weekday: "short", dateStyle: undefined } as const;
  const parts = {
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  } as const;
  try {
    return new Intl.DateTimeFormat("en-GB", { ...options, ...parts, timeZone });
  } catch {
    // The zone is being typed: the times are those of what was typed before.
    return new Intl.DateTimeFormat("en-GB", { ...options, ...parts, timeZone: "UTC" });
  }
}
