import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { QueueOrdering } from "../../gen/gotaskq/v1/queue_service_pb.js";
import type { Fleet } from "./fleet.js";
import type { QueueLimits } from "./limits.js";
import type { Random } from "./random.js";

/** Has queues bound what they are to bound. Nothing goes wrong yet. */
export async function setLimits(limits: ReadonlyMap<string, QueueLimits>, fleet: Fleet, random: Random): Promise<void> {
  for (const [name, { ordering, maxConcurrency, maxConcurrencyPerKey, rateLimit }] of limits) {
    const { queues } = await fleet.any(random);
    const settings = {
      ...{ ordering: QueueOrdering[ordering], maxConcurrency, maxConcurrencyPerKey },
      ...(rateLimit && { rateLimit: { ...rateLimit, period: durationFromMs(rateLimit.periodMs) } }),
    };
    const { queue } = await queues.updateQueue({ queue: { name, settings } });
    const set = queue?.settings;
    // Else the run would say nothing of it.
    if (set?.maxConcurrencyPerKey !== maxConcurrencyPerKey || set.rateLimit?.count !== rateLimit?.count) {
      throw new Error(`queue ${name} was not given its limits: ${JSON.stringify(set)}`);
    }
  }
}
