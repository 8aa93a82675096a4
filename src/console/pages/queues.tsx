import { durationMs } from "@bufbuild/protobuf/wkt";
import { useState } from "preact/hooks";
import type { Queue } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { QueueOrdering } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { pendingCount } from "../../model/queue/pending-counts.js";
import { api } from "../lib/api.js";
import { backoffText, count, countOf, span, spanOf, waiting } from "../lib/format.js";
import { attempt, complain, tell } from "../lib/notices.js";
import { queues, takeQueue, useQueues } from "../lib/queues.js";
import { href } from "../lib/router.js";
import { type Untaken, useUntaken } from "../lib/untaken.js";
import { Ago } from "../ui/ago.js";
import { ForAdmins } from "../ui/allowed.js";
import { confirm } from "../ui/dialog.js";
import { QueueForm } from "../ui/queue-form.js";
import { Failed, Loading } from "../ui/states.js";
import { UntakenNote } from "../ui/untaken.js";

/** Every queue, with the actions on it. */
export function QueuesPage() {
  const error = useQueues();
  const [form, setForm] = useState<"none" | "new" | Queue>("none");
  const all = queues.value;
  const untaken = useUntaken();
  if (error) return <Failed error={error} />;
  return (
    <>
      <div class="bar">
        <p class="faint">A paused queue accepts jobs and hands out none.</p>
        <ForAdmins>
          <button type="button" class="primary" onClick={() => setForm("new")}>
            New queue
          </button>
        </ForAdmins>
      </div>
      {all === undefined ? (
        <Loading />
      ) : (
        <div class="scroll">
          <table class="stack">
            <thead>
              <tr>
                <th scope="col">Queue</th>
                <th scope="col">Ready</th>
                <th scope="col">Scheduled</th>
                <th scope="col">Running</th>
                <th scope="col">Dead</th>
                <th scope="col">Oldest ready</th>
                <th scope="col">Settings</th>
                <th scope="col">Actions</th>
              </tr>
            </thead>
            <tbody>
              {all.map((queue) => (
                <QueueRow
                  key={queue.name}
                  queue={queue}
                  untaken={untaken.get(queue.name)}
                  onEdit={() => setForm(queue)}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {form !== "none" && <QueueForm queue={form === "new" ? undefined : form} onClose={() => setForm("none")} />}
    </>
  );
}

const ORDER_TEXTS = new Map([
  [QueueOrdering.RUN_AFTER, "earliest first"],
  [QueueOrdering.FAIR, "keys take turns"],
]);

/** Describes the settings that differ from the defaults. */
function describeSettings({ settings }: Queue): string {
  if (settings === undefined) return "";
  const parts = [
    ORDER_TEXTS.get(settings.ordering) ?? "by priority",
    settings.weight > 1 && `weight ${count(settings.weight)}`,
    settings.maxConcurrency > 0 && `${count(settings.maxConcurrency)} at once`,
    settings.maxConcurrencyPerKey > 0 && `${count(settings.maxConcurrencyPerKey)} of a key at once`,
    settings.rateLimit &&
      `${count(settings.rateLimit.count)} per ${spanOf(settings.rateLimit.period)}, bursts of ${count(settings.rateLimit.burst)}`,
    settings.maxDepth > 0 && `${count(settings.maxDepth)} may wait`,
    settings.completedTtl && `finished ones kept ${spanOf(settings.completedTtl)}`,
    settings.maxCompleted !== undefined && `${count(settings.maxCompleted)} finished ones kept`,
    settings.deadTtl && `dead ones kept ${spanOf(settings.deadTtl)}`,
    settings.maxDead !== undefined && `${count(settings.maxDead)} dead ones kept`,
    settings.defaultMaxRetries !== undefined && `${count(settings.defaultMaxRetries)} retries`,
    settings.defaultBackoff && `retries wait ${backoffText(settings.defaultBackoff)}`,
    settings.defaultTimeout && `timeout ${spanOf(settings.defaultTimeout)}`,
    settings.defaultTtl && `jobs expire after ${spanOf(settings.defaultTtl)}`,
  ];
  return parts.filter(Boolean).join(", ");
}

interface QueueRowProps {
  readonly queue: Queue;
  readonly untaken: Untaken | undefined;
  readonly onEdit: () => void;
}

function QueueRow({ queue, untaken, onEdit }: QueueRowProps) {
  const { name, settings, stats, paused, nextSlotAt } = queue;
  if (stats === undefined) return null;
  const most = settings?.maxConcurrency ?? 0;
  const isFull = most > 0 && stats.running >= most;
  const toggle = () =>
    paused
      ? attempt(`Queue ${name} hands out jobs again.`, async () =>
          takeQueue((await api.queues.resumeQueue({ name })).queue),
        )
      : attempt(`Queue ${name} is paused.`, async () => takeQueue((await api.queues.pauseQueue({ name })).queue));
  return (
    <tr>
      <td data-label="Queue" class="wrap">
        <span class="state">
          <a href={href("/jobs", { queue: name })}>{name}</a>
          {paused && <span class="badge paused">PAUSED</span>}
        </span>
        {stats.ready > 0 && <UntakenNote found={untaken} />}
        {nextSlotAt && (
          <p class="faint">
            Its rate holds jobs back; next slot <Ago time={nextSlotAt} />.
          </p>
        )}
        {!nextSlotAt && stats.limited > 0 && (
          <p class="faint">{isFull ? "As many of its jobs run as may." : "As many jobs of some keys run as may."}</p>
        )}
      </td>
      <td data-label="Ready" class="number">
        {count(stats.ready)}
        {stats.limited > 0 && (
          <a class="hint" href={href("/jobs", { queue: name, waits: "LIMITED" })}>
            {count(stats.limited)} limited
          </a>
        )}
      </td>
      <td data-label="Scheduled" class="number">
        {count(stats.scheduled)}
        {stats.retrying > 0 && (
          <a class="hint" href={href("/jobs", { queue: name, waits: "RETRYING" })}>
            {count(stats.retrying)} retrying
          </a>
        )}
      </td>
      <td data-label="Running" class="number">
        {count(stats.running)}
      </td>
      <td data-label="Dead" class="number">
        {stats.dead > 0 ? <a href={href("/dlq", { queue: name })}>{count(stats.dead)}</a> : 0}
      </td>
      <td data-label="Oldest ready">
        {stats.oldestReadyAge === undefined ? "–" : span(durationMs(stats.oldestReadyAge))}
      </td>
      <td data-label="Settings">{describeSettings(queue)}</td>
      <td data-label="Actions" class="row-actions">
        <ForAdmins>
          <div class="actions">
            <button type="button" aria-label={`${paused ? "Resume" : "Pause"} ${name}`} onClick={toggle}>
              {paused ? "Resume" : "Pause"}
            </button>
            <button type="button" aria-label={`Settings of ${name}`} onClick={onEdit}>
              Settings
            </button>
            <button type="button" class="danger" aria-label={`Purge ${name}`} onClick={() => purge(queue)}>
              Purge
            </button>
            {name !== "default" && (
              <button type="button" class="danger" aria-label={`Delete ${name}`} onClick={() => remove(queue)}>
                Delete
              </button>
            )}
          </div>
        </ForAdmins>
      </td>
    </tr>
  );
}

async function purge({ name, stats }: Queue): Promise<void> {
  const agreed = await confirm({
    title: `Purge queue ${name}?`,
    text: `All its waiting jobs are deleted${stats && `: ${waiting(stats)} now`}. Running and dead ones stay.`,
    agree: "Delete the waiting jobs",
    isDanger: true,
  });
  if (!agreed) return;
  try {
    const result = await api.queues.purgeQueue({ name });
    tell(`Deleted ${countOf(result.count, "waiting job")} of ${name}.`);
  } catch (error) {
    complain(error);
  }
}

async function remove({ name, stats }: Queue): Promise<void> {
  const inside = stats === undefined ? 0 : pendingCount(stats) + stats.running + stats.dead;
  const agreed = await confirm({
    title: `Delete queue ${name}?`,
    text:
      stats === undefined || inside === 0
        ? "It is empty."
        : `Its jobs are deleted with it: ${waiting(stats)}, ${count(stats.running)} running, ${count(stats.dead)} dead.`,
    agree: inside === 0 ? "Delete the queue" : `Delete the queue and ${countOf(inside, "job")}`,
    isDanger: true,
  });
  if (agreed) await attempt(`Queue ${name} is deleted.`, () => api.queues.deleteQueue({ name, force: inside > 0 }));
}
