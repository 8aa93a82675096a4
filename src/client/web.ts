import { createConnectTransport } from "@connectrpc/connect-web";
import type { CallerOptions } from "./calls.js";
import { createTransportClient, type TaskQueueClient } from "./task-queue-client.js";
import { constantToken, sendToken } from "./token.js";
import { withExactMaps } from "./transport/exact-transport.js";

export * from "./exports.js";

/**
 * Creates a client for browsers, and for any other runtime with `fetch`. There is no worker in this entry point: a
 * worker needs Node's HTTP/2.
 */
export function createClient(url: string, options: CallerOptions = {}): TaskQueueClient {
  const settings = { baseUrl: url, useBinaryFormat: true, interceptors: sendToken(constantToken(options.token)) };
  return createTransportClient(withExactMaps(createConnectTransport(settings)), options);
}
