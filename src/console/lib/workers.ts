import type { Worker } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { api, PROBE_TIMEOUT_MS } from "./api.js";

/** Workers a call. */
const PAGE_SIZE = 1000;

/** All workers that this server knows of. Pages without a stream learn by it whether the server still answers. */
export async function listWorkers(signal: AbortSignal): Promise<readonly Worker[]> {
  const workers: Worker[] = [];
  let pageToken = "";
  do {
    const request = { pageSize: PAGE_SIZE, pageToken };
    const page = await api.server.listWorkers(request, { signal, timeoutMs: PROBE_TIMEOUT_MS });
    workers.push(...page.workers);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return workers;
}
