import { parseTraceparent, type TraceContext } from "./trace-context.js";

/** What a line of the log may say of a job. */
export interface JobFacts {
  readonly id: string;
  readonly queue: string;
  readonly type: string;
  /** Number of the delivery. */
  readonly deliveries?: number | undefined;
  readonly retryCount?: number | undefined;
  readonly worker?: string | undefined;
  readonly traceContext?: TraceContext | undefined;
}

/** The fields by which every line of the log names a job: the same in the server, the library and the client. */
export interface JobFields {
  readonly job_id: string;
  readonly queue: string;
  readonly type: string;
  /** Number of the delivery, from 1: runs that were lost count too. */
  readonly attempt?: number;
  readonly retry_count?: number;
  readonly worker?: string;
  /** The trace that the job belongs to. */
  readonly trace_id?: string;
}

/** The fields of a line about a job. What is not known is left out. */
export function jobFields({ id, queue, type, deliveries, retryCount, worker, traceContext }: JobFacts): JobFields {
  const traceId = traceContext && parseTraceparent(traceContext.traceparent)?.traceId;
  return {
    job_id: id,
    queue,
    type,
    ...(deliveries !== undefined && { attempt: deliveries }),
    ...(retryCount !== undefined && { retry_count: retryCount }),
    ...(worker && { worker }),
    ...(traceId !== undefined && { trace_id: traceId }),
  };
}
