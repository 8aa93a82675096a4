import { TaskQueueError } from "../../model/common/errors.js";
import type { TraceContext } from "../../model/log/trace-context.js";
import type { CreateSpan, Tracer } from "../../model/log/tracer.js";
import { DEFAULT_QUEUE } from "../../model/queue/queue.js";
import type { JobRequest } from "../../model/request/validate.js";

/** A create while it is traced: one span for all of its jobs, or one for each trace that they belong to. */
export interface TracedCreate {
  /** The trace context that the job at this place of the create is kept with. */
  contextOf(place: number): TraceContext | undefined;
  /** The jobs in their order. */
  end(jobs: readonly CreatedId[]): void;
  /** The same of jobs that were decided one by one: those that were refused belong to no span; where all were, it has failed. */
  endEach(outcomes: readonly (CreatedId | TaskQueueError)[]): void;
  fail(error: unknown): void;
}

interface CreatedId {
  readonly id: string;
  readonly deduplicated: boolean;
}

/** The jobs of a create that belong to the same trace. */
interface Group {
  readonly span: CreateSpan | undefined;
  readonly places: readonly number[];
}

/** Begins the spans of a create; undefined while nobody traces, and each job keeps the trace context of its request. */
export function traceCreate(tracer: Tracer, requests: readonly JobRequest[]): TracedCreate | undefined {
  if (!tracer.isOn) return undefined;
  const groups = [...placesByTrace(requests).values()].map((places): Group => {
    const parent = requests[places[0] ?? 0]?.traceContext;
    return { span: tracer.create(queueOf(requests, places), places.length, parent), places };
  });
  const contexts = requests.map(({ traceContext }) => traceContext);
  for (const { span, places } of groups) {
    if (span !== undefined) for (const place of places) contexts[place] = span.context;
  }
  return {
    contextOf: (place) => contexts[place],
    end(jobs) {
      for (const { span, places } of groups) span?.end(places.flatMap((place) => jobs[place] ?? []));
    },
    endEach(outcomes) {
      for (const { span, places } of groups) {
        const own = places.flatMap((place) => outcomes[place] ?? []);
        const jobs = own.flatMap((outcome) => (outcome instanceof TaskQueueError ? [] : outcome));
        if (jobs.length === 0) span?.fail(own[0]);
        else span?.end(jobs);
      }
    },
    fail(error) {
      for (const { span } of groups) span?.fail(error);
    },
  };
}

function placesByTrace(requests: readonly JobRequest[]): ReadonlyMap<string, number[]> {
  const groups = new Map<string, number[]>();
  requests.forEach(({ traceContext }, place) => {
    const key = traceContext === undefined ? "" : JSON.stringify(traceContext);
    const places = groups.get(key);
    if (places === undefined) groups.set(key, [place]);
    else places.push(place);
  });
  return groups;
}

/** The queue of these jobs; undefined when they are of several. */
function queueOf(requests: readonly JobRequest[], places: readonly number[]): string | undefined {
  const queues = new Set(places.map((place) => requests[place]?.queue || DEFAULT_QUEUE));
  return queues.size === 1 ? [...queues][0] : undefined;
}
