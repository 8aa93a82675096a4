import type { EnvReader } from "./env-reader.js";

/** Most processes of a server: more than the cores of most machines. */
const MAX_PROCESSES = 128;

/** Reads how many processes serve the port. */
export function readProcesses(env: EnvReader, useRedis: boolean): number {
  const processes = env.integer("PROCESSES", 1, 1, MAX_PROCESSES);
  if (processes > 1 && !useRedis)
    env.problem("PROCESSES", "several processes share a Redis: set USE_REDIS, or unset this");
  return processes;
}
