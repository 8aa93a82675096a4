import { createConnectTransport } from "@connectrpc/connect-web";
import type { AnyJobs, JobTypes } from "../model/job/job-types.js";
import type { CallerOptions } from "./calls.js";
import { createTransportClient, type TaskQueueClient } from "./task-queue-client.js";
import { constantToken, sendToken } from "./token.js";
import { withExactMaps } from "./transport/exact-transport.js";
import { createFailover, urlsOf } from "./transport/failover.js";

export * from "./exports.js";

/**
 * Creates a client for browsers, and for any other runtime with `fetch`; otherwise as that for Node. There is no worker in this entry
 * point: a worker needs Node's HTTP/2.
 */
export function createClient<Jobs extends JobTypes<Jobs> = AnyJobs>(
  url: string | readonly string[],
  options: CallerOptions = {},
): TaskQueueClient<Jobs> {
  const interceptors = sendToken(constantToken(options.token));
  const transports = urlsOf(url).map((baseUrl) =>
    withExactMaps(createConnectTransport({ baseUrl, useBinaryFormat: true, interceptors })),
  );
  return createTransportClient<Jobs>(createFailover(transports), options, { servers: transports.length });
}
