import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { signal } from "@preact/signals";
import { DlqService } from "../../../gen/gotaskq/v1/dlq_service_pb.js";
import { JobService } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { ScheduleService } from "../../../gen/gotaskq/v1/schedule_service_pb.js";
import { ServerService } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { Health } from "../../../gen/health/v1/health_pb.js";
import { withExactMaps } from "../../client/transport/exact-transport.js";
import { isAway } from "./errors.js";

/** How long a call may take before the server counts as unreachable, ms. Streams have no such limit. */
const CALL_TIMEOUT_MS = 15_000;

/** How long a call may take that only finds out whether the server still answers, ms. */
export const PROBE_TIMEOUT_MS = 4000;

/** Where the token of this tab is kept: it ends with the tab. */
const TOKEN_KEY = "gotaskq.token";

/** The token that calls send; undefined when there is none. */
export const token = signal<string | undefined>(sessionStorage.getItem(TOKEN_KEY) ?? undefined);

/** Whether the server has asked for a token, or has refused the one it got. */
export const isTokenWanted = signal(false);

/** Whether the dialog about the token of this tab is open. */
export const isTokenShown = signal(false);

/** Keeps a token for this tab. In place of one that was in use, the page begins anew: nothing of that may stay. */
export function setToken(text: string): void {
  sessionStorage.setItem(TOKEN_KEY, text);
  if (!isTokenWanted.value) {
    location.reload();
    return;
  }
  isTokenWanted.value = false;
  token.value = text;
}

/** Forgets the token of this tab, and all that the page has shown. */
export function forgetToken(): void {
  sessionStorage.removeItem(TOKEN_KEY);
  location.reload();
}

/** Notes whether an error asks for a token, and returns the error as a ConnectError. */
export function noteError(error: unknown): ConnectError {
  const refused = ConnectError.from(error);
  if (refused.code === Code.Unauthenticated) isTokenWanted.value = true;
  return refused;
}

/** When the server was heard last, by `performance.now()`. */
let heardAt = performance.now();

/** Notes that something came from the server. */
export function noteHeard(): void {
  heardAt = performance.now();
}

/** For how long nothing has come from the server, on no stream and by no call, ms. */
export function quietMs(): number {
  return performance.now() - heardAt;
}

const authorize: Interceptor = (next) => async (request) => {
  if (token.value !== undefined) request.header.set("authorization", `Bearer ${token.value}`);
  try {
    const response = await next(request);
    noteHeard();
    return response;
  } catch (thrown) {
    const error = noteError(thrown);
    if (!isAway(error)) noteHeard();
    throw error;
  }
};

// Relative to the page, so that a proxy may serve both under any path.
const options = {
  baseUrl: new URL(".", document.baseURI).href.replace(/\/$/, ""),
  useBinaryFormat: true,
  interceptors: [authorize],
};
const calls = withExactMaps(createConnectTransport({ ...options, defaultTimeoutMs: CALL_TIMEOUT_MS }));
const streams = withExactMaps(createConnectTransport(options));

/** Clients of the public API for calls. */
export const api = {
  jobs: createClient(JobService, calls),
  queues: createClient(QueueService, calls),
  dlq: createClient(DlqService, calls),
  schedules: createClient(ScheduleService, calls),
  server: createClient(ServerService, calls),
  health: createClient(Health, calls),
};

/** Clients of the public API for streams, which may stay open for ever. */
export const live = {
  jobs: createClient(JobService, streams),
  queues: createClient(QueueService, streams),
};
