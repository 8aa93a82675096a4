import { context } from "@opentelemetry/api";
import { guarded } from "../model/common/guarded.js";
import type { TraceContext } from "../model/log/trace-context.js";
import { toContext } from "./contexts.js";
import { sdkTracer } from "./sdk.js";

/** Runs something below a span that is of another thread or process; just so when nobody traces here. */
export function runWithin<T>(given: TraceContext | undefined, run: () => T): T {
  const within = sdkTracer() && guarded(() => toContext(given), undefined);
  return within === undefined ? run() : context.with(within, run);
}
