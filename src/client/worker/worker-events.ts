import { EventEmitter } from "node:events";
import { guarded } from "../../model/common/guarded.js";
import type { HandlerJob } from "../../model/handler/handler.js";
import { isLogged, type Logger } from "../../model/log/logger.js";

/** What a worker tells those who listen, by name, and with what. */
export interface WorkerEvents {
  /** The server has taken the result: the job is DONE. */
  readonly completed: (job: HandlerJob, result: unknown) => void;
  /**
   * The server has taken the failure of an attempt: `error` is what the handler threw, or that its time was over. The job is retried, or it
   * is DEAD.
   */
  readonly failed: (job: HandlerJob, error: unknown) => void;
  /**
   * Something is wrong with the worker, and it goes on: a stream broke, an outcome could not be told, a lease was lost. `error` says what,
   * its `cause` why; `fields` are those of a line of the log, the job among them. Without a listener nothing is thrown.
   */
  readonly error: (error: Error, fields: object) => void;
}

/** The events of a worker. A listener that throws or rejects harms nobody: that is logged. */
export class WorkerEmitter extends EventEmitter {
  readonly #logger: Logger;

  /** `logger` never throws. */
  constructor(logger: Logger) {
    super();
    this.#logger = logger;
  }

  override emit(name: string, ...args: unknown[]): boolean {
    const listeners = this.rawListeners(name);
    for (const listener of listeners) {
      try {
        const returned: unknown = Reflect.apply(listener, this, args);
        if (guarded(() => returned instanceof Promise, false)) {
          (returned as Promise<unknown>).catch((error: unknown) => this.#threw(name, error));
        }
      } catch (error) {
        this.#threw(name, error);
      }
    }
    return listeners.length > 0;
  }

  #threw(event: string, error: unknown): void {
    this.#logger.error({ err: error, event }, "a listener of a worker threw");
  }
}

/**
 * The logger for troubles of a worker: they are told by the event `error`, and written to `logger`; when that is only the default, not while
 * somebody listens.
 */
export function createTroubleLogger(logger: Logger, events: WorkerEmitter, isDefault: boolean): Logger {
  const at = (level: "warn" | "error") => (fields: object, message: string) => {
    const isHeard = events.listenerCount("error") > 0;
    if (!isHeard || !isDefault) logger[level](fields, message);
    if (isHeard) events.emit("error", new Error(message, { cause: (fields as { err?: unknown }).err }), fields);
  };
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => createTroubleLogger(logger.child(fields), events, isDefault),
    isLevelEnabled: (level) => isLogged(logger, level),
  };
}
