import { timestampMs } from "@bufbuild/protobuf/wkt";
import { useRef, useState } from "preact/hooks";
import { type Job, JobStatus, PayloadFormat } from "../../../gen/gotaskq/v1/job_pb.js";
import type { WatchJobResponse } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { api, live, token } from "../lib/api.js";
import { span } from "../lib/format.js";
import { useLive } from "../lib/live.js";
import { attempt } from "../lib/notices.js";
import { go, href } from "../lib/router.js";
import { isFinal, isOpen, isScheduled } from "../lib/status.js";
import { ForAdmins, ForProducers } from "../ui/allowed.js";
import { StatusBadge } from "../ui/badge.js";
import { confirm } from "../ui/dialog.js";
import { Attempts, Facts } from "../ui/job-facts.js";
import { JobForm } from "../ui/job-form.js";
import { Payload } from "../ui/payload.js";
import { ProgressBar } from "../ui/progress.js";
import { Empty, Failed, Loading } from "../ui/states.js";
import { TextBlock } from "../ui/text-block.js";
import { Waits } from "../ui/waits.js";

/** A dead job is read again after this, ms: its watch has ended, and someone else may replay it. */
const DEAD_AGAIN_MS = 5000;

/** Most changes that the page keeps. */
const MAX_CHANGES = 50;

/** One change, as this page saw it. */
interface Seen {
  readonly revision: number;
  readonly at: number;
  readonly status: JobStatus;
  readonly text: string;
}

/** One job, live. */
export function JobPage({ id }: { readonly id: string }) {
  const [job, setJob] = useState<Job>();
  const [seen, setSeen] = useState<readonly Seen[]>([]);
  const [error, setError] = useState<Error>();
  const [round, setRound] = useState(0);
  const last = useRef<Job>(undefined);

  const take = (news: Job) => {
    const before = last.current;
    if (before !== undefined && news.revision <= before.revision) return;
    // Payloads change only while a job waits: the one on the page is kept so that it is not rendered again.
    const isKept = before?.revision === news.revision - 1 && before.status !== JobStatus.PENDING;
    const next = isKept ? { ...news, payloadKind: before.payloadKind } : news;
    last.current = next;
    setJob(next);
    const change = { revision: news.revision, at: timeOf(news), status: news.status, text: describe(news) };
    setSeen((all) => [change, ...all].slice(0, MAX_CHANGES));
  };

  useLive<WatchJobResponse>(
    {
      open: (signal) => live.jobs.watchJob({ id, payloadFormat: PayloadFormat.TEXT }, { signal }),
      onMessage: ({ event }) => {
        if (event.case === "job") take(event.value);
      },
      onFinal: setError,
      onEnd: () => {
        const status = last.current?.status;
        if (status === JobStatus.DEAD) return DEAD_AGAIN_MS;
        return status === JobStatus.DONE || status === JobStatus.CANCELED ? undefined : 0;
      },
    },
    `${id} ${round} ${token.value ?? ""}`,
  );

  if (job === undefined && error !== undefined) return <NotThere error={error} />;
  if (job === undefined) return <Loading />;
  return (
    <>
      <div class="bar">
        <p class="state">
          <StatusBadge status={job.status} />
          {job.cancelRequested && <span class="badge dead">CANCEL ASKED</span>}
          <span class="wrap">
            {job.type} in <a href={href("/jobs", { queue: job.queue })}>{job.queue}</a>
          </span>
        </p>
        <Actions
          job={job}
          onReplayed={(replayed) => {
            take(replayed);
            setError(undefined);
            setRound((before) => before + 1);
          }}
        />
      </div>
      {error !== undefined && <p class="hint">This job is not kept any more; below is what it was last.</p>}
      {job.status === JobStatus.PENDING && <Waits job={job} />}
      {job.status === JobStatus.RUNNING && job.progress && <ProgressBar progress={job.progress} />}
      {job.error && (
        <section>
          <h2>{job.status === JobStatus.DEAD ? "Why it is dead" : "Last error"}</h2>
          <TextBlock label="Error" text={job.error} isError />
        </section>
      )}
      <div class="columns">
        <section>
          <h2>Payload</h2>
          <Payload name="payload" kind={job.payloadKind} none="This job has no payload." />
        </section>
        <section>
          <h2>Result</h2>
          <Payload
            name="result"
            kind={job.resultKind}
            none={
              job.resultDropped
                ? "Its handler returned one, which the server had no room to keep."
                : job.status === JobStatus.DONE
                  ? "Its handler returned nothing."
                  : isFinal(job.status)
                    ? "There is none."
                    : "There is none yet."
            }
          />
        </section>
      </div>
      <Facts job={job} />
      <Attempts job={job} />
      <section>
        <h2>Changes seen here</h2>
        <ol class="changes">
          {seen.map(({ revision, at, status, text }) => (
            <li key={revision}>
              <span class="faint">{new Date(at).toLocaleTimeString("sv-SE")}</span> <StatusBadge status={status} />{" "}
              <span class="wrap">{text}</span>
            </li>
          ))}
        </ol>
      </section>
    </>
  );
}

function NotThere({ error }: { readonly error: Error }) {
  return (
    <>
      <Failed error={error} />
      <Empty title="Finished jobs are kept for a while only (COMPLETE_JOB_TTL).">
        <a href={href("/jobs")}>Show all jobs</a>
      </Empty>
    </>
  );
}

function timeOf(job: Job): number {
  return job.updatedAt === undefined ? Date.now() : timestampMs(job.updatedAt);
}

/** Describes a change in a few words. */
function describe(job: Job): string {
  if (job.cancelRequested) return "a cancel was asked for";
  switch (job.status) {
    case JobStatus.PENDING:
      if (job.retryCount > 0) return `waits for retry ${job.retryCount} of ${job.maxRetries}`;
      return isScheduled(job.status, job.runAfter, timeOf(job)) ? "waits for its time" : "waits";
    case JobStatus.RUNNING:
      return job.progress && job.progress.percent > 0
        ? `${Math.round(job.progress.percent)} % ${job.progress.message}`
        : `delivery ${job.deliveries}, by ${job.worker}`;
    case JobStatus.FAILED:
    case JobStatus.DEAD:
      return job.error;
    default:
      return job.startedAt && job.finishedAt
        ? `after ${span(timestampMs(job.finishedAt) - timestampMs(job.startedAt))}`
        : "";
  }
}

function Actions({ job, onReplayed }: { readonly job: Job; readonly onReplayed: (job: Job) => void }) {
  const { id, status } = job;
  const [isChanging, setChanging] = useState(false);
  const cancel = async () => {
    const text = "A waiting job is cancelled at once; a running one is asked to stop.";
    if (!(await confirm({ title: "Cancel this job?", text, agree: "Cancel the job", isDanger: true }))) return;
    await attempt("The cancel was asked for.", () => api.jobs.cancelJob({ id }));
  };
  const runNow = async () => {
    await attempt("The job is ready now.", () => api.jobs.runJob({ id }));
  };
  const remove = async () => {
    const text = `Job ${id}, its payload and result are gone after this.`;
    if (!(await confirm({ title: "Delete this job?", text, agree: "Delete the job", isDanger: true }))) return;
    if (await attempt(`Job ${id} is deleted.`, () => api.jobs.deleteJob({ id })))
      go(href("/jobs", { queue: job.queue }));
  };
  const replay = async () => {
    await attempt("The job waits again, with all its retries.", async () => {
      const { job: replayed } = await api.dlq.replayDeadJob({ id, payloadFormat: PayloadFormat.TEXT });
      if (replayed !== undefined) onReplayed(replayed);
    });
  };
  return (
    <div class="actions">
      {status === JobStatus.DEAD && (
        <ForAdmins>
          <button type="button" class="primary" onClick={replay}>
            Retry
          </button>
        </ForAdmins>
      )}
      <ForProducers>
        <a class="button" href={href("/jobs/new", { from: id })}>
          Create another
        </a>
        {isScheduled(status, job.runAfter, Date.now()) && (
          <button type="button" onClick={runNow}>
            Run now
          </button>
        )}
        {status === JobStatus.PENDING && (
          <button type="button" onClick={() => setChanging(true)}>
            Change
          </button>
        )}
        {isOpen(status) && (
          <button type="button" class="danger" disabled={job.cancelRequested} onClick={cancel}>
            Cancel
          </button>
        )}
      </ForProducers>
      {isChanging && <JobForm job={job} onClose={() => setChanging(false)} />}
      {isFinal(status) && (
        <ForAdmins>
          <button type="button" class="danger" onClick={remove}>
            Delete
          </button>
        </ForAdmins>
      )}
    </div>
  );
}
