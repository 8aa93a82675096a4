import { queueOf } from "../model/queue/ids.js";
import type { QueuePatterns } from "../model/queue/queue-patterns.js";
import type { Backend } from "./backend.js";
import { narrowBackend } from "./narrow-backend.js";
import { createDlqOperations, type DlqOperations } from "./operations/dlq-operations.js";
import type { JobOperations } from "./operations/job-operations.js";
import { createListQueues } from "./operations/list-queues.js";
import { createListSchedules } from "./operations/list-schedules.js";
import type { QueueOperations } from "./operations/queue-operations.js";
import type { ScheduleOperations } from "./operations/schedule-operations.js";
import type { ChangeFilter } from "./port/changes.js";
import type { RemoteWorkers } from "./remote/remote-workers.js";
import type { WorkerInfo } from "./remote/worker-info.js";
import type { WatchHub } from "./watch/watch-hub.js";

/** What is served of an engine: all of it, or what a caller may reach. */
export interface EngineView {
  readonly backend: Pick<Backend, "kind" | "durable">;
  readonly jobs: JobOperations;
  readonly queues: QueueOperations;
  readonly dlq: DlqOperations;
  readonly schedules: ScheduleOperations;
  readonly watches: Pick<WatchHub, "watchJob" | "watchJobs" | "watchQueues">;
  /** Workers outside this process. */
  readonly remote: Pick<RemoteWorkers, "stream" | "poll" | "answering" | "complete" | "fail" | "extend" | "release">;
  /** All workers known to this process: the built-in pool as one, with an id before all others, and the remote ones. */
  workers(): readonly WorkerInfo[];
  /** The same of all processes of this server. */
  allWorkers(): Promise<readonly WorkerInfo[]>;
}

/**
 * An engine as a caller sees it who may reach only some queues, those made later too: what names no queue lists, watches, leases,
 * counts and changes only what is in these. What names one, by itself or by an id, is as it was: whoever serves calls refuses
 * the others first. `createJobs` makes the operations on a narrowed backend.
 */
export function narrowEngine(
  engine: EngineView & { readonly backend: Backend },
  queues: QueuePatterns,
  createJobs: (backend: Backend) => JobOperations,
): EngineView {
  const { backend, watches, remote } = engine;
  const narrow = narrowBackend(backend, queues);
  const jobs = createJobs(narrow);
  const { list, summarize, replayMatching, purgeMatching } = createDlqOperations(narrow);
  return {
    backend,
    jobs: {
      ...engine.jobs,
      list: jobs.list,
      count: jobs.count,
      cancelMatching: jobs.cancelMatching,
      removeMatching: jobs.removeMatching,
    },
    queues: { ...engine.queues, list: createListQueues(narrow) },
    schedules: { ...engine.schedules, list: createListSchedules(narrow) },
    dlq: { ...engine.dlq, list, summarize, replayMatching, purgeMatching },
    workers: () => engine.workers().flatMap((worker) => narrowWorker(worker, queues)),
    allWorkers: async () => (await engine.allWorkers()).flatMap((worker) => narrowWorker(worker, queues)),
    watches: {
      watchJob: (id, signal) => watches.watchJob(id, signal),
      watchJobs: (filter, ...rest) => watches.watchJobs(narrowFilter(filter, queues), ...rest),
      watchQueues: (options, signal) => watches.watchQueues({ ...options, within: queues }, signal),
    },
    remote: {
      stream: (request, ...rest) => remote.stream({ ...request, within: queues }, ...rest),
      poll: (request, ...rest) => remote.poll({ ...request, within: queues }, ...rest),
      answering: (leases, request) => remote.answering(leases, request),
      complete: (items, violations) => remote.complete(items, violations),
      fail: (items, violations) => remote.fail(items, violations),
      extend: (items, violations) => remote.extend(items, violations),
      release: (items, violations) => remote.release(items, violations),
    },
  };
}

function narrowFilter(filter: ChangeFilter, within: QueuePatterns): ChangeFilter {
  if (filter.queues !== undefined) return filter;
  // A watch of named queues costs less, and its cursors name no others.
  return within.names === undefined ? { ...filter, within } : { ...filter, queues: within.names };
}

/** A worker with what it does in these queues; nothing when it takes from none of them. */
function narrowWorker(worker: WorkerInfo, queues: QueuePatterns): WorkerInfo[] {
  const taken = worker.queues.filter((pattern) => queues.overlaps(pattern));
  if (taken.length === 0 && worker.queues.length > 0) return [];
  return [{ ...worker, queues: taken, jobIds: worker.jobIds.filter((id) => queues.has(queueOf(id))) }];
}
