import { useEffect, useRef, useState } from "preact/hooks";
import type { Job } from "../../../gen/gotaskq/v1/job_pb.js";
import type { Queue } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { actOnJobs, actOnMatching, type DeadAction } from "../lib/dead-actions.js";
import { type DeadFilter, type DeadGroup, describeRead, groupDead, readDeadJobs } from "../lib/dead-letters.js";
import { count, countOf } from "../lib/format.js";
import { queues, useQueues } from "../lib/queues.js";
import { go, href, route } from "../lib/router.js";
import { useLoaded } from "../lib/use-loaded.js";
import { Ago } from "../ui/ago.js";
import { FilterText, QueueSelect } from "../ui/filters.js";
import { Empty, Failed, Loading } from "../ui/states.js";

/**
 * The dead jobs are read again at least this often, ms: a replay and a death between two snapshots leave the figures
 * unchanged.
 */
const EVERY_MS = 10_000;

/** Most jobs that the list of a group shows. The others can be reached by the filter, or acted on all together. */
const SHOWN_JOBS = 100;

/** Returns the filter in the current address. */
function readFilter(): DeadFilter {
  const { params } = route.value;
  return {
    queue: params.get("queue") ?? "",
    type: params.get("type") ?? "",
    errorContains: params.get("error") ?? "",
  };
}

/** Dead jobs, grouped by error: to look at, replay and delete. */
export function DlqPage() {
  const filter = readFilter();
  const { queue, type, errorContains } = filter;
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const key = JSON.stringify(filter);
  const { value, error, reload } = useLoaded((signal) => readDeadJobs(filter, signal), key, EVERY_MS);
  const watchError = useQueues(useReloadOnDeaths(queue, reload));
  // Jobs that were selected under another filter are no longer visible.
  useEffect(() => setSelected(new Set()), [key]);

  const change = (news: Readonly<Record<string, string>>) =>
    go(href("/dlq", { queue, type, error: errorContains, ...news }), { replace: true });
  const act = async (doIt: Promise<boolean>) => {
    if (!(await doIt)) return;
    setSelected(new Set());
    reload();
  };
  const select = (ids: readonly string[], isSelected: boolean) => {
    const next = new Set(selected);
    for (const id of ids) {
      if (isSelected) next.add(id);
      else next.delete(id);
    }
    setSelected(next);
  };

  const jobs = value?.jobs;
  // Jobs that someone else has replayed meanwhile are no longer in the list.
  const chosen = (jobs ?? []).filter(({ id }) => selected.has(id)).map(({ id }) => id);
  const isFiltered = queue !== "" || type !== "" || errorContains !== "";
  const problem = watchError ?? (value === undefined ? error : undefined);
  return (
    <>
      <div class="bar">
        <form class="filters" onSubmit={(event) => event.preventDefault()} aria-label="Filter">
          <QueueSelect value={queue} onChange={(name) => change({ queue: name })} />
          <FilterText label="Type" value={type} placeholder="exact name" onChange={(text) => change({ type: text })} />
          <FilterText
            label="Error contains"
            value={errorContains}
            placeholder="case matters"
            onChange={(text) => change({ error: text })}
          />
        </form>
        {value !== undefined && (value.jobs.length > 0 || value.isCut) && (
          <div class="actions">
            <button type="button" class="primary" onClick={() => act(actOnMatching("replay", readFilter()))}>
              {isFiltered ? "Replay all that match…" : "Replay all…"}
            </button>
            <button type="button" class="danger" onClick={() => act(actOnMatching("delete", readFilter()))}>
              {isFiltered ? "Delete all that match…" : "Delete all…"}
            </button>
          </div>
        )}
      </div>
      {problem !== undefined && <Failed error={problem} onRetry={reload} />}
      {problem === undefined && jobs === undefined && <Loading />}
      {jobs?.length === 0 && (
        <Empty
          title={
            value?.isCut ? describeMiss(value.read) : isFiltered ? "No dead job matches." : "There are no dead jobs."
          }
        >
          {value?.isCut && <p>There are more. All that match, read or not, can be counted by the buttons above.</p>}
          {isFiltered ? (
            <a href={href("/dlq")}>Show all dead jobs</a>
          ) : (
            <p>A job that has used up its retries is kept here until you replay or delete it.</p>
          )}
        </Empty>
      )}
      {jobs !== undefined && jobs.length > 0 && (
        <>
          <div class="heading">
            <p class="faint" aria-live="polite">
              {value !== undefined && describeRead(value, filter, deadOf(queue))}
              {chosen.length > 0 && `, ${count(chosen.length)} chosen`}
            </p>
            <div class="actions">
              <button type="button" disabled={chosen.length === 0} onClick={() => act(actOnJobs("replay", chosen))}>
                Replay the chosen…
              </button>
              <button
                type="button"
                class="danger"
                disabled={chosen.length === 0}
                onClick={() => act(actOnJobs("delete", chosen))}
              >
                Delete the chosen…
              </button>
            </div>
          </div>
          {groupDead(jobs).map((group) => (
            <Group
              key={group.key}
              group={group}
              selected={selected}
              onSelect={select}
              onAct={(action) => act(actOnGroup(action, group))}
            />
          ))}
        </>
      )}
    </>
  );
}

/** Says that nothing was found among so many jobs, though not all were read. */
function describeMiss(read: number): string {
  return `No dead job matches among ${read === 0 ? "those looked at" : `the ${count(read)} read`}.`;
}

/** All dead jobs of a queue, or of all, by the figures of the queues; undefined: not told yet. */
function deadOf(queue: string): number | undefined {
  return queues.value
    ?.filter(({ name }) => queue === "" || name === queue)
    .reduce((total, { stats }) => total + (stats?.dead ?? 0), 0);
}

/** A group without an error text cannot be told by its text: its jobs are taken one by one. */
function actOnGroup(action: DeadAction, { queue, type, error, jobs }: DeadGroup): Promise<boolean> {
  if (error !== "") return actOnMatching(action, { queue, type, errorContains: error }, jobs.length);
  return actOnJobs(
    action,
    jobs.map(({ id }) => id),
  );
}

/** Reads the dead jobs again when their number has changed. */
function useReloadOnDeaths(queue: string, reload: () => void): (queues: readonly Queue[]) => void {
  const before = useRef<string>(undefined);
  return (queues) => {
    const dead = queues
      .filter(({ name }) => queue === "" || name === queue)
      .map(({ name, stats }) => [name, stats?.dead]);
    const text = JSON.stringify(dead);
    if (before.current !== undefined && before.current !== text) reload();
    before.current = text;
  };
}

interface GroupProps {
  readonly group: DeadGroup;
  readonly selected: ReadonlySet<string>;
  readonly onSelect: (ids: readonly string[], isSelected: boolean) => void;
  readonly onAct: (action: DeadAction) => void;
}

function Group({ group, selected, onSelect, onAct }: GroupProps) {
  const { queue, type, error, jobs } = group;
  const shown = jobs.slice(0, SHOWN_JOBS);
  const name = `${type} in ${queue}`;
  return (
    <article class="group" aria-label={`${countOf(jobs.length, "dead job")}: ${name}`}>
      <div class="bar">
        <h2 class="wrap">
          {countOf(jobs.length, "job")} · {name}
        </h2>
        <div class="actions">
          <button type="button" aria-label={`Replay all of ${name}`} onClick={() => onAct("replay")}>
            Replay all…
          </button>
          <button type="button" class="danger" aria-label={`Delete all of ${name}`} onClick={() => onAct("delete")}>
            Delete all…
          </button>
        </div>
      </div>
      <p class="group-error" title={error}>
        {error || "(no error text)"}
      </p>
      <p class="hint">
        last died <Ago time={jobs[0]?.finishedAt} />
      </p>
      <details>
        <summary>Look at the jobs</summary>
        <label class="check">
          <input
            type="checkbox"
            checked={shown.every(({ id }) => selected.has(id))}
            onChange={(event) =>
              onSelect(
                shown.map(({ id }) => id),
                event.currentTarget.checked,
              )
            }
          />
          Choose all {count(shown.length)} shown
        </label>
        <DeadTable jobs={shown} selected={selected} onSelect={onSelect} />
        {jobs.length > shown.length && <p class="hint">And {countOf(jobs.length - shown.length, "more job")}.</p>}
      </details>
    </article>
  );
}

interface DeadTableProps extends Pick<GroupProps, "selected" | "onSelect"> {
  readonly jobs: readonly Job[];
}

function DeadTable({ jobs, selected, onSelect }: DeadTableProps) {
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">
              <span class="hidden">Chosen</span>
            </th>
            <th scope="col">Job</th>
            <th scope="col">Died</th>
            <th scope="col">Deliveries</th>
          </tr>
        </thead>
        <tbody>
          {jobs.map(({ id, finishedAt, deliveries }) => (
            <tr key={id}>
              <td>
                <input
                  type="checkbox"
                  aria-label={`Choose job ${id}`}
                  checked={selected.has(id)}
                  onChange={(event) => onSelect([id], event.currentTarget.checked)}
                />
              </td>
              <td>
                <a class="id" href={href(`/jobs/${id}`)}>
                  {id}
                </a>
              </td>
              <td>
                <Ago time={finishedAt} />
              </td>
              <td class="number">{deliveries}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
