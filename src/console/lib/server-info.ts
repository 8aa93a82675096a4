import type { GetServerInfoResponse } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { api } from "./api.js";
import { type Loaded, useLoaded } from "./use-loaded.js";

/** What the server tells of itself, read again every few ms. */
export function useServerInfo(everyMs: number): Loaded<GetServerInfoResponse> {
  return useLoaded((signal) => api.server.getServerInfo({}, { signal }), "info", everyMs);
}

/** The kinds of store that belong to one server. */
const OF_ONE_SERVER: ReadonlySet<string> = new Set(["memory", "file"]);

/** Whether other servers may work on the same store: each lists its own workers only. */
export function isShared({ backend }: Pick<GetServerInfoResponse, "backend">): boolean {
  return !OF_ONE_SERVER.has(backend);
}
