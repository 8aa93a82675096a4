import { type TraceContext, traceFields } from "./trace-context.js";

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
  /** Where the job is in its trace: the span of its attempt, or what it was created in. */
  readonly trace_id?: string;
  readonly span_id?: string;
}

/** The fields of a line about a job. What is not known is left out. */
export function jobFields({ id, queue, type, deliveries, retryCount, worker, traceContext }: JobFacts): JobFields {
  return {
    job_id: id,
    queue,
    type,
    ...(deliveries !== undefined && { attempt: deliveries }),
    ...(retryCount !== undefined && { retry_count: retryCount }),
    ...(worker && { worker }),
    ...traceFields(traceContext),
  };
}
