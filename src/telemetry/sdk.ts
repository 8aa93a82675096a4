import { type ProxyTracerProvider, type Tracer, type TracerProvider, trace } from "@opentelemetry/api";

/** The name of this program's spans, for whoever filters by it. */
const SCOPE = "gotaskq";

let lastProvider: TracerProvider | undefined;
let lastTracer: Tracer | undefined;

/**
 * The tracer of the SDK that the program has installed; undefined when it has none. It may install one at any time, so this is
 * asked for each span: it costs some tens of ns. Never throws.
 */
export function sdkTracer(): Tracer | undefined {
  const provider = trace.getTracerProvider();
  if (provider === lastProvider) return lastTracer;
  try {
    // Without an SDK there is a proxy that stands for none yet. It makes tracers too, whose spans nobody gets.
    if (isProxy(provider) && provider.getDelegateTracer(SCOPE) === undefined) return undefined;
    lastTracer = provider.getTracer(SCOPE);
  } catch {
    lastTracer = undefined;
  }
  lastProvider = provider;
  return lastTracer;
}

function isProxy(provider: TracerProvider): provider is ProxyTracerProvider {
  return "getDelegateTracer" in provider;
}
