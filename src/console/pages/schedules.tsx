import { useState } from "preact/hooks";
import { type Schedule, ScheduleState } from "../../../gen/gotaskq/v1/schedule_service_pb.js";
import { api } from "../lib/api.js";
import { count } from "../lib/format.js";
import { usePolledLink } from "../lib/live.js";
import { attempt } from "../lib/notices.js";
import { go, href, route } from "../lib/router.js";
import { listSchedules, skipText, timesText, whyIdle } from "../lib/schedules.js";
import { useLoaded } from "../lib/use-loaded.js";
import { Ago } from "../ui/ago.js";
import { ForProducers } from "../ui/allowed.js";
import { confirm } from "../ui/dialog.js";
import { QueueSelect } from "../ui/filters.js";
import { More } from "../ui/more.js";
import { ScheduleForm } from "../ui/schedule-form.js";
import { Empty, Failed, Loading } from "../ui/states.js";

const EVERY_MS = 3000;

/** Schedules that are read at first, and more each time that one scrolls to the end. */
const FIRST = 100;

/** The schedules of one queue or of all, with their next and last runs and the actions on them. */
export function SchedulesPage() {
  const queue = route.value.params.get("queue") ?? "";
  const [wanted, setWanted] = useState(FIRST);
  const [form, setForm] = useState<"none" | "new" | Schedule>("none");
  const found = useLoaded((signal) => listSchedules(queue, wanted, signal), `${queue} ${wanted}`, EVERY_MS);
  usePolledLink(found, EVERY_MS);
  const { value, error, reload } = found;
  return (
    <>
      <div class="bar">
        <form class="filters" onSubmit={(event) => event.preventDefault()} aria-label="Filter">
          <QueueSelect value={queue} onChange={(name) => go(href("/schedules", { queue: name }), { replace: true })} />
        </form>
        <ForProducers>
          <button type="button" class="primary" onClick={() => setForm("new")}>
            New schedule
          </button>
        </ForProducers>
      </div>
      {value === undefined && error !== undefined && <Failed error={error} onRetry={reload} />}
      {value === undefined && error === undefined && <Loading />}
      {value?.list.length === 0 && (
        <Empty title="There are no schedules here.">
          <p>A schedule makes jobs by the calendar, or at even intervals.</p>
        </Empty>
      )}
      {value !== undefined && value.list.length > 0 && (
        <Schedules list={value.list} onChanged={reload} onEdit={setForm} />
      )}
      {value?.hasMore && <More label="More schedules" onMore={() => setWanted(value.list.length + FIRST)} />}
      {form !== "none" && (
        <ScheduleForm
          schedule={form === "new" ? undefined : form}
          queue={queue || "default"}
          onClose={() => setForm("none")}
          onDone={reload}
        />
      )}
    </>
  );
}

interface RowActions {
  readonly onChanged: () => void;
  readonly onEdit: (schedule: Schedule) => void;
}

function Schedules({ list, ...actions }: RowActions & { readonly list: readonly Schedule[] }) {
  return (
    <div class="scroll">
      <table class="stack">
        <thead>
          <tr>
            <th scope="col">Schedule</th>
            <th scope="col">Queue</th>
            <th scope="col">When</th>
            <th scope="col">Makes</th>
            <th scope="col">Next</th>
            <th scope="col">Last</th>
            <th scope="col">Runs</th>
            <th scope="col">Actions</th>
          </tr>
        </thead>
        <tbody>
          {list.map((schedule) => (
            <Row key={`${schedule.queue} ${schedule.name}`} schedule={schedule} {...actions} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ schedule, onChanged, onEdit }: RowActions & { readonly schedule: Schedule }) {
  const { queue, name, state, lastJobId, lastSkip } = schedule;
  const idle = whyIdle(schedule);
  return (
    <tr>
      <td data-label="Schedule" class="wrap">
        <span class="state">
          {name}
          {state !== ScheduleState.ACTIVE && <span class="badge paused">{ScheduleState[state]}</span>}
        </span>
        {idle && <p class="faint">{idle}</p>}
      </td>
      <td data-label="Queue">{queue}</td>
      <td data-label="When" class="wrap">
        {timesText(schedule)}
      </td>
      <td data-label="Makes" class="wrap">
        {schedule.job?.type}
      </td>
      <td data-label="Next">
        <Ago time={schedule.nextRunAt} />
      </td>
      <td data-label="Last">
        <Ago time={schedule.lastRunAt} />
        {lastJobId !== "" && (
          <div>
            <a href={href(`/jobs/${lastJobId}`)} aria-label={`Last job of ${name}`}>
              job
            </a>
          </div>
        )}
        {lastSkip && (
          <div class="hint">
            None <Ago time={lastSkip.time} />: {skipText(schedule)}.
          </div>
        )}
      </td>
      <td data-label="Runs" class="number">
        {count(schedule.runs)}
        {schedule.maxRuns > 0 && ` of ${count(schedule.maxRuns)}`}
      </td>
      <td data-label="Actions" class="row-actions">
        <ForProducers>
          <Actions schedule={schedule} onChanged={onChanged} onEdit={onEdit} />
        </ForProducers>
      </td>
    </tr>
  );
}

function Actions({ schedule, onChanged, onEdit }: RowActions & { readonly schedule: Schedule }) {
  const { queue, name, paused } = schedule;
  const which = { queue, name };
  const act = async (done: string, action: () => Promise<unknown>) => {
    if (await attempt(done, action)) onChanged();
  };
  const toggle = () =>
    paused
      ? act(`Schedule ${name} makes jobs again.`, () => api.schedules.resumeSchedule(which))
      : act(`Schedule ${name} is paused.`, () => api.schedules.pauseSchedule(which));
  const remove = async () => {
    const text = "It makes no more jobs. Those that it has made stay.";
    const agreed = await confirm({
      title: `Delete schedule ${name}?`,
      text,
      agree: "Delete the schedule",
      isDanger: true,
    });
    if (agreed) await act(`Schedule ${name} is deleted.`, () => api.schedules.deleteSchedule(which));
  };
  return (
    <div class="actions">
      <button
        type="button"
        aria-label={`Run ${name} now`}
        onClick={() => act(`Schedule ${name} has made a job.`, () => api.schedules.triggerSchedule(which))}
      >
        Run
      </button>
      <button type="button" aria-label={`${paused ? "Resume" : "Pause"} ${name}`} onClick={toggle}>
        {paused ? "Resume" : "Pause"}
      </button>
      <button type="button" aria-label={`Edit ${name}`} onClick={() => onEdit(schedule)}>
        Edit
      </button>
      <button type="button" class="danger" aria-label={`Delete ${name}`} onClick={remove}>
        Delete
      </button>
    </div>
  );
}
