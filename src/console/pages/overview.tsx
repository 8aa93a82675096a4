import { durationMs } from "@bufbuild/protobuf/wkt";
import { useEffect } from "preact/hooks";
import type { Queue } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { HealthCheckResponse_ServingStatus as Serving } from "../../../gen/health/v1/health_pb.js";
import { pendingCount } from "../../model/queue/pending-counts.js";
import { api } from "../lib/api.js";
import { now } from "../lib/clock.js";
import { explain } from "../lib/errors.js";
import { count, notReady, rate, span, spanOf, waiting } from "../lib/format.js";
import { fillQuiet, historyOf, queues, throughputOf, useQueues } from "../lib/queues.js";
import { href } from "../lib/router.js";
import { isShared, useServerInfo } from "../lib/server-info.js";
import { type Untaken, useUntaken } from "../lib/untaken.js";
import { useLoaded } from "../lib/use-loaded.js";
import { listWorkers } from "../lib/workers.js";
import { ForProducers } from "../ui/allowed.js";
import { Chart } from "../ui/chart.js";
import { Empty, Failed, Loading } from "../ui/states.js";
import { UntakenNote } from "../ui/untaken.js";

/** How often the server and the workers are read, ms; the page's one stream is for the queues. */
const SERVER_MS = 5000;

/** Most charts on the page: more would keep the browser busy with drawing. */
const MAX_CHARTS = 40;

/** Every queue, live, with the server and the workers. */
export function OverviewPage() {
  const error = useQueues();
  const seconds = now.value;
  // Runs once a second.
  useEffect(fillQuiet, [seconds]);
  const all = queues.value;
  const untaken = useUntaken();
  if (error) return <Failed error={error} />;
  return (
    <>
      <Totals />
      <section aria-label="Queues">
        <div class="heading">
          <h2>Queues</h2>
          <p class="legend" aria-hidden="true">
            <span>
              <span class="key depth" /> waiting and running
            </span>
            <span>
              <span class="key rate" /> done a second
            </span>
            <span>over 5 minutes</span>
          </p>
        </div>
        {all === undefined ? (
          <Loading />
        ) : (
          <div class="cards">
            {all.map((queue, index) => (
              <QueueCard
                key={queue.name}
                queue={queue}
                hasChart={index < MAX_CHARTS}
                untaken={untaken.get(queue.name)}
              />
            ))}
          </div>
        )}
        {all?.every(isUnused) && (
          <Empty title="No job has been seen yet.">
            <ForProducers>
              <a class="button primary" href={href("/jobs/new")}>
                Create a job
              </a>
            </ForProducers>
          </Empty>
        )}
      </section>
    </>
  );
}

function isUnused({ stats }: Queue): boolean {
  if (stats === undefined) return true;
  const { running, dead, completed } = stats;
  return pendingCount(stats) + running + dead === 0 && completed === 0n;
}

function Totals() {
  const info = useServerInfo(SERVER_MS);
  const health = useLoaded((signal) => api.health.check({}, { signal }), "health", SERVER_MS);
  const workers = useLoaded(listWorkers, "workers", SERVER_MS);
  const all = queues.value ?? [];
  const sum = (read: (stats: NonNullable<Queue["stats"]>) => number) =>
    all.reduce((total, { stats }) => total + (stats === undefined ? 0 : read(stats)), 0);
  const dead = sum((stats) => stats.dead);
  const isServing = health.value?.status === Serving.SERVING && health.error === undefined;
  const known = workers.value?.list ?? [];
  const running = known.reduce((total, worker) => total + worker.running, 0);
  const capacity = known.reduce((total, worker) => total + worker.capacity, 0);
  const first = workers.value?.hasMore ? `, the first ${count(known.length)}` : "";
  const server = info.value;
  const isOneOfMany = server !== undefined && isShared(server);
  return (
    <section class="tiles" aria-label="At a glance">
      <Tile
        name="Waiting"
        value={`${count(sum(({ ready }) => ready))} ready,`}
        more={notReady({
          ready: 0,
          scheduled: sum(({ scheduled }) => scheduled),
          retrying: sum(({ retrying }) => retrying),
          limited: sum(({ limited }) => limited),
        }).join(", ")}
        note=""
      />
      <Tile name="Running" value={count(sum((stats) => stats.running))} note={isOneOfMany ? "on all servers" : "now"} />
      <Tile
        name="Throughput"
        value={rate(all.reduce((total, { name }) => total + throughputOf(name), 0))}
        note="jobs done"
      />
      <Tile name="Dead" value={count(dead)} note="wait for a decision" to={href("/dlq")} isBad={dead > 0} />
      <Tile
        name="Workers"
        value={workers.value === undefined ? "–" : `${count(running)} of ${count(capacity)}`}
        note={`${isOneOfMany ? "busy, of this server" : "busy"}${first}`}
        to={href("/workers")}
      />
      <Tile
        name="Server"
        value={
          health.error === undefined && health.value === undefined
            ? "–"
            : isServing
              ? "Serving"
              : server?.draining
                ? "Draining"
                : "Not serving"
        }
        isBad={!isServing && (health.value !== undefined || health.error !== undefined)}
        note={
          server === undefined
            ? info.error === undefined
              ? ""
              : explain(info.error)
            : `${server.backend}, ${server.durable ? "durable" : "not durable"} · ${server.version} · up ${spanOf(server.uptime)}`
        }
      />
    </section>
  );
}

interface TileProps {
  readonly name: string;
  readonly value: string;
  /** What follows the value in smaller letters. */
  readonly more?: string;
  readonly note: string;
  readonly to?: string;
  readonly isBad?: boolean;
}

function Tile({ name, value, more, note, to, isBad = false }: TileProps) {
  return (
    <div class={isBad ? "tile bad" : "tile"}>
      <p class="tile-name">{to === undefined ? name : <a href={to}>{name}</a>}</p>
      <p class="tile-value">
        {value} {more !== undefined && <span class="tile-more">{more}</span>}
      </p>
      <p class="tile-note">{note}</p>
    </div>
  );
}

interface QueueCardProps {
  readonly queue: Queue;
  readonly hasChart: boolean;
  readonly untaken: Untaken | undefined;
}

function QueueCard({ queue, hasChart, untaken }: QueueCardProps) {
  const { name, stats, paused } = queue;
  if (stats === undefined) return null;
  const age = stats.oldestReadyAge === undefined ? "–" : span(durationMs(stats.oldestReadyAge));
  return (
    <article class="card" aria-label={`Queue ${name}`}>
      <h3>
        <a href={href("/jobs", { queue: name })}>{name}</a>
        {paused && <span class="badge paused">PAUSED</span>}
      </h3>
      <dl class="figures">
        <Figure name="Ready" value={count(stats.ready)} />
        <Figure name="Scheduled" value={count(stats.scheduled)} />
        {stats.retrying > 0 && <Figure name="Retrying" value={count(stats.retrying)} />}
        {stats.limited > 0 && <Figure name="Limited" value={count(stats.limited)} />}
        <Figure name="Running" value={count(stats.running)} />
        <Figure
          name="Dead"
          value={count(stats.dead)}
          isBad={stats.dead > 0}
          {...(stats.dead > 0 && { to: href("/dlq", { queue: name }) })}
        />
        <Figure name="Done" value={rate(throughputOf(name))} />
        <Figure name="Oldest ready" value={age} />
      </dl>
      {stats.ready > 0 && <UntakenNote found={untaken} />}
      {hasChart && (
        <Chart
          samples={historyOf(name)}
          label={`The last minutes of ${name}: now ${waiting(stats)}, ${count(stats.running)} running, ${rate(throughputOf(name))} done`}
        />
      )}
    </article>
  );
}

interface FigureProps {
  readonly name: string;
  readonly value: string;
  readonly to?: string;
  readonly isBad?: boolean;
}

function Figure({ name, value, to, isBad = false }: FigureProps) {
  return (
    <div class={isBad ? "figure bad" : "figure"}>
      <dt>{name}</dt>
      <dd>{to === undefined ? value : <a href={to}>{value}</a>}</dd>
    </div>
  );
}
