import type { Config } from "../config/config.js";
import type { Environment } from "../config/env-reader.js";

/** More connections than any process may have: the primary counts those of all, so that a limit holds for all together. */
const NO_LIMIT = "1000000";

/** What process `index`, from 0 on, of so many has of a total. All have at least `least`. */
function shareOf(total: number, index: number, processes: number, least: number): number {
  return Math.max(least, Math.floor(total / processes) + (index < total % processes ? 1 : 0));
}

/**
 * The variables of one of the processes of a server, which reads them as a server of its own would: what is a total there is its share
 * here. `index` is from 0 on.
 */
export function shareOut(environment: Environment, config: Config, index: number): Environment {
  const { processes, numWorkers, maxStreams, maxStreamsPerToken } = config;
  const share = (total: number, least: number) => String(shareOf(total, index, processes, least));
  return {
    ...environment,
    PROCESSES: undefined,
    NUM_WORKERS: share(numWorkers, 0),
    MAX_STREAMS: share(maxStreams, 1),
    MAX_STREAMS_PER_TOKEN: share(maxStreamsPerToken, 1),
    MAX_CONNECTIONS: NO_LIMIT,
    MAX_CONNECTIONS_PER_ADDRESS: NO_LIMIT,
  };
}
