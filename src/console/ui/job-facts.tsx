import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Job, JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { parseTraceparent } from "../../model/log/trace-context.js";
import { now } from "../lib/clock.js";
import { backoffText, moment, span, spanOf, uniqueText } from "../lib/format.js";
import { href } from "../lib/router.js";
import { statusName } from "../lib/status.js";
import { Ago } from "./ago.js";

/** The times, limits, trace and metadata of a job. */
export function Facts({ job }: { readonly job: Job }) {
  const { startedAt, finishedAt } = job;
  const runMs =
    startedAt === undefined
      ? undefined
      : (finishedAt === undefined ? now.value : timestampMs(finishedAt)) - timestampMs(startedAt);
  const traceId = parseTraceparent(job.traceContext?.traceparent ?? "")?.traceId;
  const isTimed = job.status === JobStatus.RUNNING || finishedAt !== undefined;
  const times = [
    ["Created", job.createdAt],
    ["Scheduled for", job.scheduledFor],
    ["Run after", job.runAfter],
    ["Expires unless begun", job.expiresAt],
    ["Started", startedAt],
    ["Finished", finishedAt],
  ] as const;
  return (
    <section>
      <h2>Facts</h2>
      <dl class="facts">
        {times.map(([name, time]) =>
          time === undefined ? null : (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                {moment(time)}{" "}
                <span class="faint">
                  (<Ago time={time} />)
                </span>
              </dd>
            </div>
          ),
        )}
        {runMs !== undefined && isTimed && <Fact name="Ran for" value={span(Math.max(0, runMs))} />}
        {job.schedule && (
          <div>
            <dt>Schedule</dt>
            <dd class="wrap">
              <a href={href("/schedules", { queue: job.queue })}>{job.schedule}</a>
            </dd>
          </div>
        )}
        {job.key && <Fact name="Key" value={job.key} />}
        {job.unique && <Fact name="Unique key" value={uniqueText(job.unique)} />}
        <Fact name="Priority" value={String(job.priority)} />
        <Fact name="Retries used" value={`${job.retryCount} of ${job.maxRetries}`} />
        <Fact name="Deliveries" value={`${job.deliveries}, ${job.lostLeases} leases lost`} />
        <Fact name="Backoff" value={backoffText(job.backoff)} />
        <Fact name="Timeout" value={job.timeout === undefined ? "none" : spanOf(job.timeout)} />
        {traceId !== undefined && <Fact name="Trace" value={traceId} />}
        {job.worker && <Fact name="Worker" value={job.worker} />}
        <Fact name="Revision" value={`${job.revision}, ${statusName(job.status)}`} />
        {Object.entries(job.metadata).map(([name, value]) => (
          <Fact key={name} name={`${name} (metadata)`} value={value} />
        ))}
      </dl>
    </section>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt class="wrap">{name}</dt>
      <dd class="wrap">{value}</dd>
    </div>
  );
}

/** The failed attempts of a job, as far as they are kept. */
export function Attempts({ job }: { readonly job: Job }) {
  if (job.attemptErrors.length === 0) return null;
  return (
    <section>
      <h2>Failed attempts</h2>
      <div class="scroll">
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">Delivery</th>
              <th scope="col">When</th>
              <th scope="col">Worker</th>
              <th scope="col">Error</th>
            </tr>
          </thead>
          <tbody>
            {job.attemptErrors.map(({ delivery, time, worker, error }) => (
              <tr key={delivery}>
                <td data-label="Delivery" class="number">
                  {delivery}
                </td>
                <td data-label="When">
                  <Ago time={time} />
                </td>
                <td data-label="Worker" class="wrap">
                  {worker}
                </td>
                <td data-label="Error" class="wrap">
                  {error}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
