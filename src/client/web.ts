import { createConnectTransport } from "@connectrpc/connect-web";
import type { CallerOptions } from "./calls.js";
import { createTransportClient, type TaskQueueClient } from "./task-queue-client.js";

export * from "./exports.js";

/** A client for browsers, and for whatever else has `fetch`: no workers, which hold connections of their own. */
export function createClient(url: string, options: CallerOptions = {}): TaskQueueClient {
  return createTransportClient(createConnectTransport({ baseUrl: url, useBinaryFormat: true }), options);
}
