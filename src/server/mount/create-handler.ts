import { createSystemClock } from "../../core/clock.js";
import { defined } from "../../model/common/defined.js";
import { serverDraining } from "../../model/common/errors.js";
import { type Logger, silentLogger } from "../../model/log/logger.js";
import { toConnectError } from "../../rpc/errors.js";
import type { HttpRequest, HttpResponse } from "../../rpc/http.js";
import { refuseByPath } from "../../rpc/refuse.js";
import type { LocalTaskQueue } from "../../task-queue.js";
import { type Config, ConfigError } from "../config/config.js";
import type { Environment } from "../config/env-reader.js";
import { configure, type GivenCode } from "../configure.js";
import { isAmbiguous, refuseAmbiguous } from "../http/ambiguous-requests.js";
import { withHostCheck } from "../http/host-check.js";
import type { RequestHandler } from "../http/listener.js";
import { createServerEngine, type ServerEngine } from "../server-engine.js";
import { createServing, type Serving } from "../serving.js";
import { belowBase, readBasePath, redirectToFolder } from "./base-path.js";
import { checkQueueVariables, measureQueue } from "./mounted-queue.js";
import { onlyLocal } from "./only-local.js";

/** Settings of a mounted handler. */
export interface HandlerOptions extends GivenCode {
  /** The task queue that it serves. Default: one of its own, which `env` and `handlers` make as they make a server's. */
  readonly queue?: LocalTaskQueue | undefined;
  /**
   * The variables of a server, as in `{ AUTH_TOKENS: … }`. With a `queue`, those of access and limits only. What is about the port is that
   * of the server around. Default: none is set.
   */
  readonly env?: Environment | undefined;
  /** The path below which it answers, as in `/queue`. Default: all requests that it is given. A router, as of Express, may have cut it already. */
  readonly basePath?: string | undefined;
  /** A pino logger, or one like it. Default: silent. */
  readonly logger?: Logger | undefined;
}

/** A request handler of node:http, of the compatibility API of node:http2, and of Express. */
export interface MountedHandler {
  /** Answers a request. One that is not below the base path is passed on by `next`; without one it is answered with 404. */
  (request: HttpRequest, response: HttpResponse, next?: (error?: unknown) => void): void;
  /**
   * Stops the task queue in order, within `timeoutMs` (default: SHUTDOWN_TIMEOUT), which ends the streams with SERVER_DRAINING, and resolves
   * when the answers under way are out, or after a second. Calls that come later are refused with SERVER_DRAINING. Idempotent.
   */
  stop(options?: { readonly timeoutMs?: number | undefined }): Promise<void>;
  /** Stops it: `await using handler = await createHandler(…)`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** How long `stop` waits for answers under way, ms. */
const ANSWERS_MS = 1000;

/**
 * Creates a request handler for a server of one's own, with all that a server of GoTaskQ answers: RPCs over HTTP/1.1 and HTTP/2, the
 * console, health and metrics. It starts the task queue. Rejects with a `ConfigError` for variables that cannot be used, with a TypeError
 * for other options, and with the error of a store that cannot be used.
 */
export async function createHandler(options: HandlerOptions = {}): Promise<MountedHandler> {
  const { env = {}, logger = silentLogger } = options;
  const basePath = readBasePath(options.basePath);
  const { config, measured, authorizer } = await prepare(options, env, logger);
  const { health } = measured;
  const serving = createServing(measured, config, { logger, ...defined({ authorizer }) });
  const handler = guarded(serving, config, env);
  const open = new Set<HttpResponse>();
  let answered = () => {};
  let stopped: Promise<void> | undefined;

  function release(): void {
    serving.stop();
    measured.release();
  }

  try {
    await measured.start();
  } catch (error) {
    release();
    throw error;
  }

  async function stop(timeoutMs: number): Promise<void> {
    health.drain();
    await measured.stop(timeoutMs);
    health.close();
    await allAnswered();
    release();
  }

  function allAnswered(): Promise<void> {
    if (open.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ANSWERS_MS);
      answered = () => {
        if (open.size > 0) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  function handle(request: HttpRequest, response: HttpResponse, next?: (error?: unknown) => void): void {
    const { url = "/" } = request;
    // A router that has cut the path says what it was.
    const { originalUrl = url } = request as { readonly originalUrl?: string };
    const target = belowBase(url, basePath) ?? belowBase(originalUrl, basePath);
    if (target === undefined) {
      if (next !== undefined) next();
      else notFound(request, response);
      return;
    }
    if (target.replace(/[?#].*$/, "") === "/" && redirectToFolder(originalUrl, request, response)) return;
    request.url = target;
    open.add(response);
    response.once("close", () => {
      open.delete(response);
      answered();
    });
    serve(request, response);
  }

  function serve(request: HttpRequest, response: HttpResponse): void {
    if (!("stream" in request) && isAmbiguous(request)) {
      refuseAmbiguous(response as Parameters<typeof refuseAmbiguous>[0]);
    } else if (request.method === "POST" && request.readableEnded) {
      serving.callLogger.error({ path: request.url }, BODY_READ);
      response.statusCode = 500;
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ code: "internal", message: BODY_READ }));
    } else if (health.isClosed) {
      const requestId = serving.requestIds.give(request, response);
      refuseByPath(toConnectError(serverDraining(), "snake_case"), request, response, requestId);
    } else handler.request(request, response);
  }

  function stopOnce({ timeoutMs = config.shutdownTimeoutMs } = {}): Promise<void> {
    stopped ??= stop(timeoutMs);
    return stopped;
  }

  return Object.assign(handle, { stop: stopOnce, [Symbol.asyncDispose]: () => stopOnce() });
}

const BODY_READ = "the body of this request was read before: mount GoTaskQ in front of what parses bodies";

interface Prepared {
  readonly config: Config;
  readonly measured: ServerEngine;
  readonly authorizer: GivenCode["authorizer"];
}

async function prepare(options: HandlerOptions, env: Environment, logger: Logger): Promise<Prepared> {
  const { queue, handlers, middleware } = options;
  if (queue !== undefined) {
    if (handlers !== undefined || middleware !== undefined) {
      throw new TypeError("handlers: the task queue that is handed in has its own");
    }
    checkQueueVariables(env);
  }
  const { config, runner, authorizer } = await configure(env, logger, options);
  const problems = problemsOf(config);
  if (problems.length > 0) {
    await runner?.stop();
    throw new ConfigError(problems);
  }
  const measured =
    queue === undefined
      ? createServerEngine(config, { logger, clock: createSystemClock(), ...defined({ runner }) })
      : measureQueue(queue);
  return { config, measured, authorizer };
}

/** What a server around the handler decides. */
function problemsOf({ processes, tls }: Config): string[] {
  const problems = [];
  if (processes > 1) problems.push("PROCESSES: is for the program; a handler is of one process");
  // It must not seem as if certificates of clients were asked for.
  if (tls !== undefined) problems.push("TLS_CERT, TLS_KEY: the server around the handler has its own");
  return problems;
}

/** The handler with the rules for who may call it. AUTH=none leaves them to the server around. */
function guarded(serving: Serving, config: Config, env: Environment): RequestHandler {
  const { handler, asksForToken, requestIds } = serving;
  if (asksForToken || env.AUTH?.trim() === "none") return handler;
  return onlyLocal(withHostCheck(handler, { ...config, requestIds }), requestIds);
}

function notFound(request: HttpRequest, response: HttpResponse): void {
  request.resume();
  response.statusCode = 404;
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end("not found\n");
}
