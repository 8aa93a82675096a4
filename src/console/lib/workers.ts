import type { Worker } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { api } from "./api.js";

/** Page size of the one call: more workers than the page would show. */
const MAX_WORKERS = 1000;

/** Returns the workers that this server knows. */
export async function listWorkers(signal: AbortSignal): Promise<readonly Worker[]> {
  const { workers } = await api.server.listWorkers({ pageSize: MAX_WORKERS }, { signal });
  return workers;
}
