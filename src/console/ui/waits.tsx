import { HeldBy, type Job, JobView, PendingState } from "../../../gen/gotaskq/v1/job_pb.js";
import type { Queue } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { api } from "../lib/api.js";
import { href } from "../lib/router.js";
import { useUntakenType } from "../lib/untaken.js";
import { useLoaded } from "../lib/use-loaded.js";
import { Ago } from "./ago.js";
import { UntakenNote } from "./untaken.js";

/** How often it is looked what a job waits for, ms: that its time comes, or a limit lets it, is no change that a watch tells. */
const EVERY_MS = 2000;

/** Says in words why a PENDING job does not run, and when it will. */
export function Waits({ job }: { readonly job: Job }) {
  const { id, queue, revision } = job;
  const read = async (signal: AbortSignal) => {
    const { jobs } = await api.jobs.listJobs({ filter: { ids: [id] }, view: JobView.BASIC }, { signal });
    const now = jobs[0];
    const isRated = now?.heldBy === HeldBy.RATE_LIMIT;
    return { now, queue: isRated ? (await api.queues.getQueue({ name: queue }, { signal })).queue : undefined };
  };
  const { value } = useLoaded(read, `${id} ${revision}`, EVERY_MS);
  const untaken = useUntakenType(queue, job.type);
  // What was read may be older than what the watch has told.
  const now = value?.now !== undefined && value.now.revision >= revision ? value.now : job;
  return (
    <>
      <p>
        <Reason job={now} queue={value?.queue} />
      </p>
      <UntakenNote found={untaken} />
    </>
  );
}

function Reason({ job, queue }: { readonly job: Job; readonly queue: Queue | undefined }) {
  const inQueue = <a href={href("/queues")}>{job.queue}</a>;
  switch (job.heldBy) {
    case HeldBy.PAUSED:
      return <>Does not run: its queue {inQueue} is paused. It goes on once that is resumed.</>;
    case HeldBy.RATE_LIMIT:
      return (
        <>
          Held back by the rate of its queue {inQueue}
          {queue?.nextSlotAt && (
            <>
              ; next slot <Ago time={queue.nextSlotAt} />
            </>
          )}
          .
        </>
      );
    case HeldBy.MAX_CONCURRENCY:
      return <>Held back: as many jobs of its queue {inQueue} run as may. It goes on when one of them ends.</>;
    case HeldBy.MAX_CONCURRENCY_PER_KEY:
      return <>Held back: as many jobs with its key run as may. It goes on when one of them ends.</>;
    default:
  }
  switch (job.pendingState) {
    case PendingState.SCHEDULED:
      return (
        <>
          Waits for its time, <Ago time={job.runAfter} />.
        </>
      );
    case PendingState.RETRYING:
      return (
        <>
          Waits for retry {job.retryCount} of {job.maxRetries}, <Ago time={job.runAfter} />.
        </>
      );
    case PendingState.READY:
      return <>Ready: the next worker that takes its type gets it in its turn.</>;
    default:
      return <>Waits.</>;
  }
}
