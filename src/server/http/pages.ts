import type { Gate } from "../../access/gate.js";
import { TaskQueueError } from "../../model/common/errors.js";
import type { Logger } from "../../model/log/logger.js";
import { toConnectError } from "../../rpc/errors.js";
import { type HttpRequest, type HttpResponse, makeSafe, pathOf } from "../../rpc/http.js";
import { refuse } from "../../rpc/refuse.js";
import type { RequestIds } from "../../rpc/request-ids.js";
import type { HealthState } from "../health/health.js";
import type { MetricsPage } from "../metrics/metrics.js";
import type { Console } from "./console.js";
import { openApiPage } from "./openapi.js";
import { answerStaticPage } from "./static-page.js";

/** What the pages tell. */
export interface PageDeps {
  readonly webConsole: Console;
  readonly metrics: { page(): Promise<MetricsPage> };
  /** Decides who may read `/metrics`; undefined: everybody. */
  readonly metricsGate: Gate | undefined;
  /** Decides who may read `/openapi.json`, which tells what reflection tells; undefined: everybody. */
  readonly gate: Gate | undefined;
  readonly requestIds: RequestIds;
  readonly health: HealthState;
  readonly logger: Logger;
}

const OPENAPI = "/openapi.json";

const PAGES: ReadonlySet<string> = new Set(["/livez", "/readyz", "/healthz", "/metrics", OPENAPI]);

/**
 * Answers requests that are no RPCs: the console, `/livez`, `/readyz`, `/healthz`, `/metrics` and `/openapi.json`; 404 for any other
 * path. Who gets an answer of `/livez` at all knows that the process lives; `/readyz` and `/healthz` are 503 while no calls are served.
 */
export function answerPage(request: HttpRequest, response: HttpResponse, deps: PageDeps): void {
  const { webConsole, health } = deps;
  const answer = (status: number, type: string, body: string) => {
    response.statusCode = status;
    response.setHeader("content-type", type);
    response.end(request.method === "HEAD" ? "" : body);
  };
  const path = pathOf(request);
  makeSafe(response);
  // Pages of other origins may not load it as an image or a script.
  response.setHeader("cross-origin-resource-policy", "same-origin");
  request.resume();
  if (webConsole.answer(path, request, response)) return;
  if (!PAGES.has(path)) {
    answer(
      404,
      "application/json",
      '{"code":"not_found","message":"no such page; RPCs are POST /gotaskq.v1.<Service>/<Method>"}',
    );
  } else if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    answer(405, "text/plain; charset=utf-8", "use GET\n");
  } else if (path === "/livez") {
    answer(200, "application/json", '{"status":"ALIVE"}');
  } else if (path === OPENAPI) {
    void answerOpenApi(request, response, deps);
  } else if (path !== "/metrics") {
    const reason = health.isDraining ? "SERVER_DRAINING" : "BACKEND_UNAVAILABLE";
    if (health.isServing) answer(200, "application/json", '{"status":"SERVING"}');
    else answer(503, "application/json", JSON.stringify({ status: "NOT_SERVING", reason }));
  } else {
    void answerMetrics(request, response, deps);
  }
}

/** Answers with the document of the API, which is as open as reflection. */
async function answerOpenApi(request: HttpRequest, response: HttpResponse, deps: PageDeps): Promise<void> {
  const admit = async () => deps.gate?.admit("reflection", OPENAPI, request);
  if (!(await admitTo(admit, request, response, deps))) return;
  try {
    answerStaticPage(openApiPage(), request, response);
  } catch (error) {
    answerFault(error, "the OpenAPI document could not be read", response, deps);
  }
}

/** Whether somebody is let in; who is not is answered. */
async function admitTo(
  admit: () => Promise<unknown>,
  request: HttpRequest,
  response: HttpResponse,
  { requestIds }: PageDeps,
): Promise<boolean> {
  try {
    await admit();
    return true;
  } catch (error) {
    const known =
      error instanceof TaskQueueError ? error : new TaskQueueError("AUTHORIZER_UNAVAILABLE", "who calls is unknown");
    refuse(toConnectError(known, "snake_case"), request, response, requestIds.give(request, response));
    return false;
  }
}

/** Answers with the metrics, which need `read`, and of all queues: they tell of all. */
async function answerMetrics(request: HttpRequest, response: HttpResponse, deps: PageDeps): Promise<void> {
  const { metrics, metricsGate } = deps;
  if (!(await admitTo(() => admitToMetrics(metricsGate, request), request, response, deps))) return;
  try {
    const { contentType, body } = await metrics.page();
    response.setHeader("content-type", contentType);
    response.end(request.method === "HEAD" ? "" : body);
  } catch (error) {
    answerFault(error, "metrics could not be collected", response, deps);
  }
}

function answerFault(error: unknown, message: string, response: HttpResponse, { logger }: PageDeps): void {
  logger.error({ err: error }, message);
  response.statusCode = 500;
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end(`${message}\n`);
}

async function admitToMetrics(gate: Gate | undefined, request: HttpRequest): Promise<void> {
  const caller = await gate?.admit("read", "/metrics", request);
  if (gate !== undefined && caller?.queues !== undefined) throw gate.foreignQueue(caller, "read", "*");
}
