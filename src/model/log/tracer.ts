import type { TraceContext } from "./trace-context.js";

/** Begins the spans of this process, and knows where it is in a trace. Nothing of it throws. */
export interface Tracer {
  /** Whether anybody traces at this moment. */
  readonly isOn: boolean;
  /** Where the program is in a trace at this moment, for what leaves it; undefined: in none, or nobody traces. */
  active(): TraceContext | undefined;
  /** The span of a call that this server answers. Undefined when nobody traces; so are the other spans. */
  rpc(call: TracedCall): RpcSpan | undefined;
  /** The span of a create of so many jobs, below `parent`. `queue`: undefined when they are of several. */
  create(queue: string | undefined, count: number, parent: TraceContext | undefined): CreateSpan | undefined;
  /** A span of the time that a leased job had waited for. None for a job that belongs to no trace. */
  waited(job: WaitedJob): void;
  /** The span of an attempt of a job. */
  attempt(job: TracedJob): AttemptSpan | undefined;
}

/** A span under way. It is ended once; what comes after that does nothing. */
export interface Span {
  /** What belongs to it goes on with this. */
  readonly context: TraceContext | undefined;
}

/** A call to this server. */
export interface TracedCall {
  /** The full name, as in `gotaskq.v1.JobService/GetJob`. */
  readonly method: string;
  readonly protocolName: "connect" | "grpc" | "grpc-web" | "http";
  readonly requestId: string;
  readonly remoteAddress: string | undefined;
  /** Where its caller is in a trace; undefined when the call does not tell. */
  readonly traceContext: TraceContext | undefined;
}

/** The span of a call. */
export interface RpcSpan extends Span {
  /** `code`: "ok" or the name of a code, as in `not_found`. */
  end(code: string): void;
}

/** The span of a create: its jobs belong to it. */
export interface CreateSpan extends Span {
  end(jobs: readonly { readonly id: string; readonly deduplicated: boolean }[]): void;
  fail(error: unknown): void;
}

/** A job of which something is traced. */
export interface TracedJob {
  readonly id: string;
  readonly queue: string;
  readonly type: string;
  /** Number of the delivery, from 1. */
  readonly deliveries: number;
  readonly retryCount: number;
  readonly traceContext?: TraceContext | undefined;
}

/** A job that has just been leased. Times in ms since 1970. */
export interface WaitedJob extends TracedJob {
  readonly runAfter: number;
  readonly startedAt: number | undefined;
  readonly attemptErrors: readonly { readonly at: number }[];
}

/** The span of an attempt. */
export interface AttemptSpan extends Span {
  /** Runs the handler: what it begins belongs to the span. */
  run<T>(handler: () => T): T;
  /** `error`: of an attempt that failed, or that lost its lease. */
  end(outcome: AttemptEnd, error?: unknown): void;
}

/** How an attempt ended, as its worker knows: what becomes of its job may be something else. */
export type AttemptEnd = "completed" | "failed" | "canceled" | "released" | "lost";

/** The tracer of a program in which nobody traces. */
export const noTracer: Tracer = {
  isOn: false,
  active: () => undefined,
  rpc: () => undefined,
  create: () => undefined,
  waited() {},
  attempt: () => undefined,
};
