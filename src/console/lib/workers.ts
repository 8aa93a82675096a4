import type { Worker } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { api } from "./api.js";

/** More workers than a page shows. */
const MAX_WORKERS = 1000;

/** The workers that this server knows of. */
export async function listWorkers(signal: AbortSignal): Promise<readonly Worker[]> {
  const { workers } = await api.server.listWorkers({ pageSize: MAX_WORKERS }, { signal });
  return workers;
}
