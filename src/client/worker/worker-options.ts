import type { Handlers } from "../../model/handler/handler.js";
import type { Middleware } from "../../model/handler/middleware.js";
import type { Logger } from "../../model/log/logger.js";
import type { HeaderSource, TokenSource } from "../token.js";
import type { ClientTls, HttpVersion } from "../transport/node-transport.js";

/** Settings of a worker. Durations in ms. */
export interface WorkerOptions<Given = Handlers> {
  /** URL of the server, or of several on one store: the worker uses one, and the next when that is away or drains. */
  readonly url: string | readonly string[];
  /** Handlers by job type; only jobs of these types are taken. The functions are the same as in a HANDLERS module. */
  readonly handlers: Given;
  /** Runs around each handler, the first outermost. Default: none. */
  readonly middleware?: readonly Middleware[] | undefined;
  /** Queues to take jobs from. Default: every queue, including those created later. */
  readonly queues?: readonly string[] | undefined;
  /** Handlers that run at the same time, 1 to 1000. Default 10. */
  readonly concurrency?: number | undefined;
  /**
   * Jobs leased ahead of free slots. For short jobs: it hides the round trip to the server. Default 0. Together with
   * `concurrency` at most 1000.
   */
  readonly prefetch?: number | undefined;
  /**
   * How long a lease lasts unless it is extended, 1000 to 3,600,000. Default 30,000. A timer extends it after each
   * third of it: a handler that blocks the event loop for longer than about two thirds loses its jobs to other workers.
   */
  readonly leaseMs?: number | undefined;
  /** Name of the worker, for people to read. Default `hostname/pid`. */
  readonly name?: string | undefined;
  /** The token of the servers, when they ask for one. Handlers that create jobs need one that may produce. */
  readonly token?: TokenSource | undefined;
  /** Sent with every call, or a function that answers what is: for those that change. */
  readonly headers?: HeaderSource | undefined;
  /** For servers at `https://`: whom to trust, and what to show. */
  readonly tls?: ClientTls | undefined;
  /** Default `auto`; `1.1` for servers that know no HTTP/2, such as one of Express. See `HttpVersion`. */
  readonly httpVersion?: HttpVersion | undefined;
  /** Once it is aborted, the worker stops, as by `stop()`. */
  readonly signal?: AbortSignal | undefined;
  /** How long `stop` lets running handlers finish when it is given no time. Default 10,000. */
  readonly stopTimeoutMs?: number | undefined;
  /** Whether SIGTERM and SIGINT stop the worker. A second signal ends the process at once. Default false. */
  readonly stopOnSignals?: boolean | undefined;
  /**
   * A pino logger, or one like it. Default: warnings and errors are written to stderr; but not failed attempts while somebody listens
   * to `failed`, nor troubles of the worker while somebody listens to `error`. `silentLogger` says nothing.
   */
  readonly logger?: Logger | undefined;
}
