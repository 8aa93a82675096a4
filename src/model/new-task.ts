import type { JsonValue } from "./handler.js";
import type { PayloadOf, TypeOf } from "./job-types.js";
import type { TraceContext } from "./trace-context.js";
import type { JobRequest } from "./validate.js";

/** A job to create. Durations in ms. */
export interface NewTask extends Omit<JobRequest, "payload" | "runAfter" | "expiresAt" | "traceContext"> {
  /** Any JSON value, or bytes. */
  readonly payload?: JsonValue | Uint8Array | undefined;
  /** When it is ready: a Date, or ms since 1970. */
  readonly runAfter?: Date | number | undefined;
  /** When it is CANCELED if it has not begun: a Date, or ms since 1970. Not together with `ttlMs`. Default: never. */
  readonly expiresAt?: Date | number | undefined;
  /**
   * The trace that the job belongs to, as in headers of W3C. It does not count as content for `requestId`.
   * Default: where the program is in a trace when it creates the job, if it traces with OpenTelemetry.
   */
  readonly traceContext?: Partial<TraceContext> | undefined;
}

/** A job to create, by a program that declares what its jobs carry: see `JobTypes`. */
export type TaskOf<Jobs, Type extends TypeOf<Jobs> = TypeOf<Jobs>> = {
  readonly [Each in Type]: Omit<NewTask, "type" | "payload"> & { readonly type: Each } & PayloadField<
      PayloadOf<Jobs, Each>
    >;
}[Type];

type PayloadField<Payload> = undefined extends Payload ? { readonly payload?: Payload } : { readonly payload: Payload };
