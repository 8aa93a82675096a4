import type { Worker } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { api, PROBE_TIMEOUT_MS } from "./api.js";
import { count } from "./format.js";

/** Workers a call: as many as the server gives. */
const PAGE_SIZE = 1000;

/** Most workers that are read: pages read them every few seconds, and show each as a row. */
const MAX_READ = 2000;

/** The workers that this server knows of. */
export interface Workers {
  /** All of them, or the first `MAX_READ`. */
  readonly list: readonly Worker[];
  /** Whether there are more that were not read. */
  readonly hasMore: boolean;
}

/** Reads the workers that this server knows of. Pages without a stream learn by it whether the server still answers. */
export async function listWorkers(signal: AbortSignal): Promise<Workers> {
  const list: Worker[] = [];
  let pageToken = "";
  do {
    const request = { pageSize: PAGE_SIZE, pageToken };
    const page = await api.server.listWorkers(request, { signal, timeoutMs: PROBE_TIMEOUT_MS });
    list.push(...page.workers);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && list.length < MAX_READ);
  return { list, hasMore: pageToken !== "" };
}

/** Says that there are more workers than were read; undefined when all were. */
export function unreadWorkers({ list, hasMore }: Workers): string | undefined {
  return hasMore ? `Only the first ${count(list.length)} workers were read; there are more.` : undefined;
}
