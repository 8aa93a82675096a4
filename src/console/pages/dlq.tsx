import { useEffect, useRef, useState } from "preact/hooks";
import type { Queue } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { actOnJobs, actOnMatching } from "../lib/dead-actions.js";
import { type DeadFilter, describeCounts, filterOf, keyOf, readDeadCounts } from "../lib/dead-groups.js";
import { count } from "../lib/format.js";
import { useQueues } from "../lib/queues.js";
import { go, href, route } from "../lib/router.js";
import { useLoaded } from "../lib/use-loaded.js";
import { ForAdmins } from "../ui/allowed.js";
import { Group } from "../ui/dead-group.js";
import { FilterText, QueueSelect } from "../ui/filters.js";
import { More } from "../ui/more.js";
import { Empty, Failed, Loading } from "../ui/states.js";

/**
 * The dead jobs are counted again at least this often, ms: a replay and a death between two snapshots leave the figures
 * unchanged. Very many are counted more rarely.
 */
const EVERY_MS = 10_000;
const EVERY_MS_OF_MANY = 120_000;
const MANY = 20_000;

/** Between two readings there is at least this time, ms, and this many times as long as a reading takes. */
const REST_MS = 500;
const REST_FACTOR = 10;

/** Groups that are drawn at first, and again each time that one comes to their end. */
const SHOWN_GROUPS = 30;

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
  const [shown, setShown] = useState(SHOWN_GROUPS);
  const [isMany, setMany] = useState(false);
  const took = useRef(0);
  const key = JSON.stringify(filter);
  const read = async (signal: AbortSignal) => {
    const start = performance.now();
    const counts = await readDeadCounts(filter, signal);
    took.current = performance.now() - start;
    setMany(counts.count > MANY);
    return counts;
  };
  const { value, error, reload } = useLoaded(read, key, isMany ? EVERY_MS_OF_MANY : EVERY_MS);
  const watchError = useQueues(useReloadOnDeaths(queue, reload, took));
  // Jobs that were selected under another filter are no longer visible.
  useEffect(() => {
    setSelected(new Set());
    setShown(SHOWN_GROUPS);
  }, [key]);

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

  const groups = value?.groups;
  const chosen = [...selected];
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
        {value !== undefined && (value.count > 0 || value.isCut) && (
          <ForAdmins>
            <div class="actions">
              <button type="button" class="primary" onClick={() => act(actOnMatching("replay", readFilter()))}>
                {isFiltered ? "Replay all that match…" : "Replay all…"}
              </button>
              <button type="button" class="danger" onClick={() => act(actOnMatching("delete", readFilter()))}>
                {isFiltered ? "Delete all that match…" : "Delete all…"}
              </button>
            </div>
          </ForAdmins>
        )}
      </div>
      {problem !== undefined && <Failed error={problem} onRetry={reload} />}
      {problem === undefined && groups === undefined && <Loading />}
      {groups?.length === 0 && (
        <Empty title={isFiltered ? "No dead job matches." : "There are no dead jobs."}>
          {isFiltered ? (
            <a href={href("/dlq")}>Show all dead jobs</a>
          ) : (
            <p>A job that has used up its retries is kept here until you replay or delete it.</p>
          )}
        </Empty>
      )}
      {value !== undefined && groups !== undefined && groups.length > 0 && (
        <>
          <div class="heading">
            <p class="faint" aria-live="polite">
              {describeCounts(value)}
              {chosen.length > 0 && `, ${count(chosen.length)} chosen`}
            </p>
            <ForAdmins>
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
            </ForAdmins>
          </div>
          {groups.slice(0, shown).map((group) => {
            const chosenBy = filterOf(group, filter);
            return (
              <Group
                key={keyOf(group)}
                group={group}
                filter={chosenBy}
                selected={selected}
                onSelect={select}
                onAct={(action) => act(actOnMatching(action, chosenBy))}
              />
            );
          })}
          {groups.length > shown && <More label="Show more groups" onMore={() => setShown(shown + SHOWN_GROUPS)} />}
        </>
      )}
    </>
  );
}

/** Counts the dead jobs again when the figures of the queues say that their number has changed, but not all the time. */
function useReloadOnDeaths(
  queue: string,
  reload: () => void,
  took: { readonly current: number },
): (queues: readonly Queue[]) => void {
  const before = useRef<string>(undefined);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const readAt = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (queues) => {
    const dead = queues
      .filter(({ name }) => queue === "" || name === queue)
      .map(({ name, stats }) => [name, stats?.dead]);
    const text = JSON.stringify(dead);
    if (before.current !== undefined && before.current !== text) {
      const rest = Math.max(REST_MS, REST_FACTOR * took.current) - (performance.now() - readAt.current);
      timer.current ??= setTimeout(
        () => {
          timer.current = undefined;
          readAt.current = performance.now();
          reload();
        },
        Math.max(0, rest),
      );
    }
    before.current = text;
  };
}
