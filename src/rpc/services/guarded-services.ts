import type { HandlerContext } from "@connectrpc/connect";
import type { Admitted } from "../../access/caller.js";
import type { Gate } from "../../access/gate.js";
import { type Need, RIGHTS, type Right } from "../../access/rights.js";
import type { Engine } from "../../core/engine.js";
import type { EngineView } from "../../core/engine-view.js";
import { LIMITS } from "../../model/common/limits.js";
import { callerOf } from "../caller-of.js";
import { rightsEnded } from "../fast/call-context.js";
import { toStatus } from "../status.js";
import type { ServiceImplSpec } from "./services.js";

/** Most sets of queues whose services are kept; those used longest ago are made anew. */
const MAX_VIEWS = 1000;

type Method = (input: object, context: HandlerContext) => unknown;
type Services = readonly ServiceImplSpec[];

/**
 * The services, each call within the rights of its caller: requests that name a queue of others are refused before anything is
 * read, what names none is narrowed to the caller's queues, and what it may not read is left out of answers. Whether it may make the
 * call at all was decided before its request was read.
 */
export function guardServices(engine: Engine, gate: Gate, create: (view: EngineView) => Services): Services {
  const views = new Map<string, Services>();

  function servicesOf({ queues }: Admitted, all: Services): Services {
    if (queues === undefined) return all;
    const known = views.get(queues.key) ?? create(engine.within(queues));
    views.delete(queues.key);
    views.set(queues.key, known);
    if (views.size > MAX_VIEWS) views.delete(views.keys().next().value as string);
    return known;
  }

  const services = create(engine);
  return services.map((service, index): ServiceImplSpec => {
    const { desc, impl } = service;
    const guarded = Object.keys(impl).map((name) => {
      const right = RIGHTS.get(`${desc.typeName}/${desc.method[name]?.name}`);
      const run: Method = (input, context) => {
        const caller = callerOf(context);
        // Its request may have taken a while to come in.
        if (caller.hasEnded) throw rightsEnded();
        const chosen = servicesOf(caller, services)[index]?.impl as unknown as Record<string, Method>;
        const method = chosen[name] as Method;
        const queues = caller.queues && right?.each?.queues(input);
        if (caller.queues !== undefined && queues === undefined) refuseForeign(gate, caller, right, input);
        const output =
          queues === undefined
            ? method(input, context)
            : runOwn(
                { gate, caller, need: right?.need ?? "open", list: right?.each?.list ?? "" },
                queues,
                method,
                input,
                context,
              );
        const { withoutRead } = right ?? {};
        return withoutRead === undefined || caller.may("read") ? output : (output as Promise<object>).then(withoutRead);
      };
      return [name, run];
    });
    return { ...service, impl: Object.fromEntries(guarded) };
  });
}

/** Who makes a call that decides its items each for itself. */
interface EachCall {
  readonly gate: Gate;
  readonly caller: Admitted;
  readonly need: Need;
  /** The field of the request that has the items. */
  readonly list: string;
}

interface Results {
  readonly results: readonly object[];
}

/** Makes the call with those items that are in the caller's queues; the others, at their places, are refused. */
async function runOwn(
  { gate, caller, need, list }: EachCall,
  queues: readonly (string | undefined)[],
  method: Method,
  input: object,
  context: HandlerContext,
): Promise<object> {
  const isForeign = (queue: string | undefined) => queue !== undefined && caller.queues?.has(queue) === false;
  // Too many items are refused as without any of others.
  if (queues.length > LIMITS.batch || !queues.some(isForeign)) return method(input, context) as Promise<object>;
  const items = (input as Record<string, readonly unknown[]>)[list] ?? [];
  const own = items.filter((_, at) => !isForeign(queues[at]));
  const none = { results: [] };
  const output = (own.length === 0 ? none : await method({ ...input, [list]: own }, context)) as Results;
  const answered = output.results[Symbol.iterator]();
  const results: object[] = [];
  for (const queue of queues) {
    if (queue !== undefined && isForeign(queue)) {
      const value = toStatus(gate.foreignQueue(caller, need, queue), context);
      results.push({ jobId: "", deduplicated: false, replaced: false, outcome: { case: "error", value } });
    } else {
      const next = answered.next();
      // An answer that is full ends before its items do.
      if (next.done === true) break;
      results.push(next.value);
    }
  }
  return { results };
}

/** Throws SCOPE_MISSING when a request names a queue that its caller may not reach. */
function refuseForeign(gate: Gate, caller: Admitted, right: Right<object, object> | undefined, input: object): void {
  for (const queue of right?.queues?.(input) ?? []) {
    if (caller.queues?.has(queue) === false) throw gate.foreignQueue(caller, right?.need ?? "open", queue);
  }
}
