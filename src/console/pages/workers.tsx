import { type GetServerInfoResponse, WorkerKind } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { bytes, count, spanOf } from "../lib/format.js";
import { usePolledLink } from "../lib/live.js";
import { href } from "../lib/router.js";
import { isShared, useServerInfo } from "../lib/server-info.js";
import { type Loaded, useLoaded } from "../lib/use-loaded.js";
import { listWorkers, unreadWorkers } from "../lib/workers.js";
import { Ago } from "../ui/ago.js";
import { Empty, Failed, Loading } from "../ui/states.js";

const EVERY_MS = 2000;

const KINDS: Readonly<Record<WorkerKind, string>> = {
  [WorkerKind.UNSPECIFIED]: "unknown",
  [WorkerKind.BUILT_IN]: "built in",
  [WorkerKind.STREAM]: "stream",
  [WorkerKind.POLL]: "long poll",
};

/** Most running jobs that are named in the row of a worker. */
const SHOWN_JOBS = 5;

/** The server, its limits, and the workers that run jobs. */
export function WorkersPage() {
  const workers = useLoaded(listWorkers, "workers", EVERY_MS);
  const info = useServerInfo(EVERY_MS);
  const all = workers.value?.list;
  const unread = workers.value && unreadWorkers(workers.value);
  const isOneOfMany = info.value !== undefined && isShared(info.value);
  usePolledLink(workers, EVERY_MS);
  return (
    <>
      <ServerFacts info={info} />
      <section>
        <h2>{isOneOfMany ? "Workers of this server" : "Workers"}</h2>
        {isOneOfMany && <p class="hint">Other servers on the same store tell of their workers themselves.</p>}
        {unread !== undefined && <p class="hint">{unread}</p>}
        {workers.value === undefined && workers.error !== undefined && (
          <Failed error={workers.error} onRetry={workers.reload} />
        )}
        {workers.value === undefined && workers.error === undefined && <Loading />}
        {all?.length === 0 && (
          <Empty title={isOneOfMany ? "Nobody runs jobs on this server." : "Nobody runs jobs here."}>
            <p>Set NUM_WORKERS above 0, or connect a worker by WorkerService.</p>
          </Empty>
        )}
        {all !== undefined && all.length > 0 && (
          <div class="scroll">
            <table class="stack">
              <thead>
                <tr>
                  <th scope="col">Name</th>
                  <th scope="col">Kind</th>
                  <th scope="col">Busy</th>
                  <th scope="col">Queues</th>
                  <th scope="col">Types</th>
                  <th scope="col">Runs</th>
                  <th scope="col">Lease</th>
                  <th scope="col">Since</th>
                </tr>
              </thead>
              <tbody>
                {all.map((worker) => (
                  <tr key={worker.id}>
                    <td data-label="Name" class="wrap">
                      {worker.name || worker.id}
                    </td>
                    <td data-label="Kind">{KINDS[worker.kind]}</td>
                    <td data-label="Busy" class="number">
                      {count(worker.running)} of {count(worker.capacity)}
                    </td>
                    <td data-label="Queues" class="wrap">
                      {worker.queues.join(", ") || "all"}
                    </td>
                    <td data-label="Types" class="wrap">
                      {worker.types.join(", ")}
                    </td>
                    <td data-label="Runs">
                      {worker.jobIds.length === 0 && <span class="faint">–</span>}
                      {worker.jobIds.slice(0, SHOWN_JOBS).map((id) => (
                        <a key={id} class="id line" href={href(`/jobs/${id}`)}>
                          {id}
                        </a>
                      ))}
                      {worker.running > SHOWN_JOBS && <span class="faint">and {worker.running - SHOWN_JOBS} more</span>}
                    </td>
                    <td data-label="Lease">{spanOf(worker.lease)}</td>
                    <td data-label="Since">
                      <Ago time={worker.connectedAt} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
    </>
  );
}

function ServerFacts({ info }: { readonly info: Loaded<GetServerInfoResponse> }) {
  const server = info.value;
  if (server === undefined) return info.error === undefined ? <Loading /> : <Failed error={info.error} />;
  const { limits } = server;
  return (
    <section>
      <h2>Server</h2>
      <dl class="facts">
        <Fact name="State" value={server.draining ? "draining" : "serving"} />
        <Fact name="Version" value={server.version} />
        <Fact
          name="Backend"
          value={`${server.backend} (${server.durable ? "jobs survive" : "jobs end with the server"})`}
        />
        <Fact name="Node id" value={String(server.nodeId)} />
        <Fact name="Up for" value={spanOf(server.uptime)} />
        {limits !== undefined && (
          <>
            <Fact name="Payload" value={`up to ${bytes(limits.payloadBytes)}`} />
            <Fact name="Batch" value={`up to ${count(limits.batch)} jobs`} />
            <Fact name="Lease" value={`${spanOf(limits.defaultLease)}, up to ${spanOf(limits.maxLease)}`} />
            <Fact name="Streams" value={`up to ${count(limits.maxStreams)}`} />
          </>
        )}
      </dl>
    </section>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
