import { useState } from "preact/hooks";
import { HeldBy, type Job, JobStatus, PendingState } from "../../../gen/gotaskq/v1/job_pb.js";
import { now } from "../lib/clock.js";
import { type JobFilter, useJobList } from "../lib/job-list.js";
import { go, href, route } from "../lib/router.js";
import { isScheduled, pendingStateOf, STATUSES, statusName, statusOf, WAITS } from "../lib/status.js";
import { Ago } from "../ui/ago.js";
import { ForProducers } from "../ui/allowed.js";
import { StatusBadge } from "../ui/badge.js";
import { FilterText, QueueSelect } from "../ui/filters.js";
import { ProgressBar } from "../ui/progress.js";
import { Empty, Failed, Loading } from "../ui/states.js";

/** The jobs of one queue or of all, live, filtered by the server, in pages. */
export function JobsPage() {
  const { params } = route.value;
  const filter: JobFilter = {
    queue: params.get("queue") ?? "",
    type: params.get("type") ?? "",
    status: statusOf(params.get("status")),
    waits: pendingStateOf(params.get("waits")),
    errorContains: params.get("error") ?? "",
    page: params.get("page") ?? "",
  };
  const [isHeld, setHeld] = useState(false);
  const { jobs, nextPage, error, reload } = useJobList(filter, isHeld);
  const { queue, type, status, waits, errorContains } = filter;
  const parameters = {
    ...{ queue, type, error: errorContains },
    status: status === undefined ? "" : statusName(status),
    waits: waits === undefined ? "" : (PendingState[waits] ?? ""),
  };
  const change = (news: Partial<typeof parameters>) => go(href("/jobs", { ...parameters, ...news }), { replace: true });
  const isFiltered = Object.values(parameters).some((value) => value !== "");

  return (
    <>
      <div class="bar">
        <form class="filters" onSubmit={(event) => event.preventDefault()} aria-label="Filter">
          <QueueSelect value={queue} onChange={(name) => change({ queue: name })} />
          <div class="field">
            <label for="status">Status</label>
            <select
              id="status"
              value={parameters.status}
              onChange={(event) => change({ status: event.currentTarget.value, waits: "" })}
            >
              <option value="">any</option>
              {STATUSES.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </div>
          {(status === undefined || status === JobStatus.PENDING) && (
            <div class="field">
              <label for="waits">Waits</label>
              <select
                id="waits"
                value={parameters.waits}
                onChange={(event) => change({ waits: event.currentTarget.value })}
              >
                <option value="">or not</option>
                {WAITS.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </div>
          )}
          <FilterText label="Type" value={type} placeholder="exact name" onChange={(text) => change({ type: text })} />
          <FilterText
            label="Error contains"
            value={errorContains}
            placeholder="case matters"
            onChange={(text) => change({ error: text })}
          />
        </form>
        <div class="actions">
          <button type="button" aria-pressed={isHeld} onClick={() => setHeld(!isHeld)}>
            {isHeld ? "Go on" : "Hold still"}
          </button>
          <ForProducers>
            <a class="button primary" href={href("/jobs/new", { queue })}>
              New job
            </a>
          </ForProducers>
        </div>
      </div>
      {error !== undefined && <Failed error={error} onRetry={reload} />}
      {error === undefined && jobs === undefined && <Loading />}
      {jobs?.length === 0 && (
        <Empty title={isFiltered ? "No job matches." : "There are no jobs."}>
          {nextPage !== "" && <p>None among those looked at; the next page goes on.</p>}
          {isFiltered ? (
            <a href={href("/jobs")}>Show all jobs</a>
          ) : (
            <ForProducers>
              <a class="button primary" href={href("/jobs/new")}>
                Create a job
              </a>
            </ForProducers>
          )}
        </Empty>
      )}
      {jobs !== undefined && jobs.length > 0 && <JobTable jobs={jobs} />}
      {(filter.page !== "" || nextPage !== "") && (
        <nav class="pages" aria-label="Pages of the list">
          {filter.page !== "" && <a href={href("/jobs", parameters)}>First page</a>}
          {filter.page !== "" && (
            <button type="button" class="plain" onClick={() => history.back()}>
              Back
            </button>
          )}
          {nextPage !== "" && <a href={href("/jobs", { ...parameters, page: nextPage })}>Next page</a>}
        </nav>
      )}
    </>
  );
}

function JobTable({ jobs }: { readonly jobs: readonly Job[] }) {
  return (
    <div class="scroll">
      <table class="stack">
        <caption class="hidden">Jobs, the newest first</caption>
        <thead>
          <tr>
            <th scope="col">Job</th>
            <th scope="col">Status</th>
            <th scope="col">Type</th>
            <th scope="col">Queue</th>
            <th scope="col">Priority</th>
            <th scope="col">Retries</th>
            <th scope="col">Created</th>
            <th scope="col">Detail</th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <tr key={job.id}>
              <td data-label="Job">
                <a class="id" href={href(`/jobs/${job.id}`)}>
                  {job.id}
                </a>
              </td>
              <td data-label="Status">
                <StatusBadge status={job.status} />
              </td>
              <td data-label="Type" class="wrap">
                {job.type}
              </td>
              <td data-label="Queue" class="wrap">
                {job.queue}
              </td>
              <td data-label="Priority" class="number">
                {job.priority}
              </td>
              <td data-label="Retries" class="number">
                {job.retryCount} of {job.maxRetries}
              </td>
              <td data-label="Created">
                <Ago time={job.createdAt} />
              </td>
              <td data-label="Detail" class="says">
                <Says job={job} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Why no worker gets a job whose time has come, in a few words. */
const HELD: Readonly<Record<HeldBy, string>> = {
  [HeldBy.UNSPECIFIED]: "",
  [HeldBy.PAUSED]: "queue paused",
  [HeldBy.RATE_LIMIT]: "held back by the rate",
  [HeldBy.MAX_CONCURRENCY]: "as many run as may",
  [HeldBy.MAX_CONCURRENCY_PER_KEY]: "as many of its key run as may",
};

/** Shows what matters most about a job in its status: its progress, when it is due, or its error. */
function Says({ job }: { readonly job: Job }) {
  if (job.cancelRequested) return <>cancel asked</>;
  if (job.status === JobStatus.RUNNING && job.progress) return <ProgressBar progress={job.progress} />;
  if (isScheduled(job.status, job.runAfter, now.value)) {
    return (
      <>
        due <Ago time={job.runAfter} />
        {job.error && <span class="faint">, after: {job.error}</span>}
      </>
    );
  }
  if (job.status === JobStatus.PENDING && job.heldBy !== HeldBy.UNSPECIFIED) return <>{HELD[job.heldBy]}</>;
  if (job.error && job.status !== JobStatus.DONE) return <span title={job.error}>{job.error}</span>;
  return <span class="faint">–</span>;
}
