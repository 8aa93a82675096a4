import { durationMs } from "@bufbuild/protobuf/wkt";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import type { Queue } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import type { Worker } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { api } from "./api.js";
import { countOf } from "./format.js";
import { queues } from "./queues.js";
import { isShared } from "./server-info.js";
import { useLoaded } from "./use-loaded.js";
import { listWorkers } from "./workers.js";

/** How often it is looked whether waiting jobs have a worker, ms. */
const EVERY_MS = 5000;

/** Queues looked at, those first whose oldest job waits longest, and the newest waiting jobs of each: a sample. */
const MAX_QUEUES = 8;
const SAMPLE = 20;

/** Types that a sentence names. */
const MAX_NAMED = 3;

function takes({ queues: served, types }: Worker, queue: string, type: string): boolean {
  return (served.length === 0 || served.includes(queue)) && types.includes(type);
}

/** Says which of these types no worker takes, by the name of their queue. Queues where each is taken are left out. */
async function sentencesOf(
  waiting: ReadonlyMap<string, ReadonlySet<string>>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  if (waiting.size === 0) return new Map();
  const workers = await listWorkers(signal);
  const untaken = [...waiting]
    .map(([queue, types]) => [queue, [...types].filter((type) => !workers.some((each) => takes(each, queue, type)))])
    .filter((entry): entry is [string, string[]] => (entry[1] ?? "").length > 0);
  if (untaken.length === 0) return new Map();
  // Workers of other servers on the same store may take them.
  const known = isShared(await api.server.getServerInfo({}, { signal })) ? " known to this server" : "";
  return new Map(untaken.map(([queue, types]) => [queue, `No worker${known} takes ${name(types)} from this queue.`]));
}

/** "type a", "types a, b, c and 2 more types". */
function name(types: readonly string[]): string {
  const more = types.length - MAX_NAMED;
  const named = types.slice(0, MAX_NAMED).join(", ");
  return `type${types.length === 1 ? "" : "s"} ${named}${more > 0 ? ` and ${countOf(more, "more type")}` : ""}`;
}

function readyAge({ stats }: Queue): number {
  return stats?.oldestReadyAge === undefined ? 0 : durationMs(stats.oldestReadyAge);
}

/** The types of some jobs that wait in queues with ready jobs. */
async function sampleTypes(signal: AbortSignal): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const looked = (queues.peek() ?? [])
    .filter(({ stats }) => stats !== undefined && stats.ready > 0)
    .sort((a, b) => readyAge(b) - readyAge(a))
    .slice(0, MAX_QUEUES);
  const found = new Map<string, ReadonlySet<string>>();
  for (const { name: queue } of looked) {
    const request = { queue, statuses: [JobStatus.PENDING], pageSize: SAMPLE };
    const { jobs } = await api.jobs.listJobs(request, { signal });
    found.set(queue, new Set(jobs.map(({ type }) => type)));
  }
  return found;
}

/** What nobody takes of the watched queues, as a sentence by queue: as far as a sample of their waiting jobs tells. */
export function useUntaken(): ReadonlyMap<string, string> {
  const key = queues.value === undefined ? "unknown" : "known";
  const read = async (signal: AbortSignal) => sentencesOf(await sampleTypes(signal), signal);
  return useLoaded(read, key, EVERY_MS).value ?? new Map();
}

/** Says that nobody takes jobs of this type from this queue; undefined: somebody does, or it is not known. */
export function useUntakenType(queue: string, type: string): string | undefined {
  const read = (signal: AbortSignal) => sentencesOf(new Map([[queue, new Set([type])]]), signal);
  return useLoaded(read, JSON.stringify([queue, type]), EVERY_MS).value?.get(queue);
}
