import { useState } from "preact/hooks";
import type { DeadJobGroup } from "../../../gen/gotaskq/v1/dlq_service_pb.js";
import type { Job } from "../../../gen/gotaskq/v1/job_pb.js";
import type { DeadAction } from "../lib/dead-actions.js";
import type { DeadFilter } from "../lib/dead-groups.js";
import { useDeadJobs } from "../lib/dead-jobs.js";
import { count, countOf } from "../lib/format.js";
import { href } from "../lib/router.js";
import { Ago } from "./ago.js";
import { ForAdmins } from "./allowed.js";
import { More } from "./more.js";
import { Failed, Loading } from "./states.js";

/** Properties of `Group`. */
export interface GroupProps {
  readonly group: DeadJobGroup;
  /** Chooses exactly its jobs. */
  readonly filter: DeadFilter;
  readonly selected: ReadonlySet<string>;
  readonly onSelect: (ids: readonly string[], isSelected: boolean) => void;
  readonly onAct: (action: DeadAction) => void;
}

/** Dead jobs of one queue and type with the same error, but for numbers and ids in it. */
export function Group({ group, filter, selected, onSelect, onAct }: GroupProps) {
  const { queue, type, error, lastDiedAt } = group;
  const [isOpen, setOpen] = useState(false);
  const name = `${type} in ${queue}`;
  return (
    <article class="group" aria-label={`${countOf(group.count, "dead job")}: ${name}`}>
      <div class="bar">
        <h2 class="wrap">
          {countOf(group.count, "job")} · {name}
        </h2>
        <ForAdmins>
          <div class="actions">
            <button type="button" aria-label={`Replay all of ${name}`} onClick={() => onAct("replay")}>
              Replay all…
            </button>
            <button type="button" class="danger" aria-label={`Delete all of ${name}`} onClick={() => onAct("delete")}>
              Delete all…
            </button>
          </div>
        </ForAdmins>
      </div>
      <p class="group-error" title={error}>
        {error || "(no error text)"}
      </p>
      <p class="hint">
        last died <Ago time={lastDiedAt} />
      </p>
      <details onToggle={(event) => setOpen((event.currentTarget as HTMLDetailsElement).open)}>
        <summary>Look at the jobs</summary>
        {isOpen && <GroupJobs group={group} filter={filter} selected={selected} onSelect={onSelect} />}
      </details>
    </article>
  );
}

function GroupJobs({ group, filter, selected, onSelect }: Omit<GroupProps, "onAct">) {
  const { jobs, error, hasMore, more } = useDeadJobs(filter, `${group.count} ${group.lastDiedAt?.seconds}`);
  if (jobs === undefined) return error === undefined ? <Loading /> : <Failed error={error} onRetry={more} />;
  return (
    <>
      <label class="check">
        <input
          type="checkbox"
          checked={jobs.length > 0 && jobs.every(({ id }) => selected.has(id))}
          onChange={(event) =>
            onSelect(
              jobs.map(({ id }) => id),
              event.currentTarget.checked,
            )
          }
        />
        Choose all {count(jobs.length)} shown
      </label>
      <DeadTable jobs={jobs} selected={selected} onSelect={onSelect} />
      {hasMore && <More label="Show more jobs" onMore={more} />}
    </>
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
            <th scope="col">Error</th>
          </tr>
        </thead>
        <tbody>
          {jobs.map(({ id, finishedAt, deliveries, error }) => (
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
              <td class="says">
                <span title={error}>{error}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
