import type { Logger } from "../../model/logger.js";
import { type HttpRequest, type HttpResponse, pathOf } from "../../rpc/http.js";
import type { HealthState } from "../health/health.js";
import type { Metrics } from "../metrics/metrics.js";
import type { Console } from "./console.js";

/** What the pages tell. */
export interface PageDeps {
  readonly webConsole: Console;
  readonly metrics: Metrics;
  readonly health: HealthState;
  readonly logger: Logger;
}

const PAGES: ReadonlySet<string> = new Set(["/livez", "/readyz", "/healthz", "/metrics"]);

/**
 * Answers requests that are no RPCs: the console, `/livez`, `/readyz`, `/healthz` and `/metrics`; 404 for any other path. Who gets an
 * answer of `/livez` at all knows that the process lives; the other two are 503 while no calls are served.
 */
export function answerPage(
  request: HttpRequest,
  response: HttpResponse,
  { webConsole, metrics, health, logger }: PageDeps,
): void {
  const answer = (status: number, type: string, body: string) => {
    response.statusCode = status;
    response.setHeader("content-type", type);
    response.end(request.method === "HEAD" ? "" : body);
  };
  const path = pathOf(request);
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
  } else if (path !== "/metrics") {
    const reason = health.isDraining ? "SERVER_DRAINING" : "BACKEND_UNAVAILABLE";
    if (health.isServing) answer(200, "application/json", '{"status":"SERVING"}');
    else answer(503, "application/json", JSON.stringify({ status: "NOT_SERVING", reason }));
  } else {
    metrics.page().then(
      ({ contentType, body }) => answer(200, contentType, body),
      (error) => {
        logger.error({ err: error }, "metrics could not be collected");
        answer(500, "text/plain; charset=utf-8", "metrics could not be collected\n");
      },
    );
  }
}
