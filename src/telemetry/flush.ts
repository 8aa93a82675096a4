import { trace } from "@opentelemetry/api";

/** How long the end of the program waits for the spans, ms. */
const FLUSH_MS = 2000;

/**
 * Has the SDK send the spans that it still holds: it gathers them, and the end of the process would lose the last. Resolves
 * after 2 s at the latest, and when there is no SDK, or one that cannot. Never rejects.
 */
export async function flushSpans(wait: (ms: number) => Promise<void>): Promise<void> {
  const provider = trace.getTracerProvider();
  const sdk: unknown =
    "getDelegate" in provider && provider.getDelegate instanceof Function ? provider.getDelegate() : provider;
  if (!canFlush(sdk)) return;
  const flushed = Promise.resolve()
    .then(() => sdk.forceFlush())
    .catch(() => {});
  await Promise.race([flushed, wait(FLUSH_MS)]);
}

function canFlush(sdk: unknown): sdk is { forceFlush(): Promise<void> } {
  return typeof sdk === "object" && sdk !== null && "forceFlush" in sdk && sdk.forceFlush instanceof Function;
}
