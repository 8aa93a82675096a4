import type { JobTypes, TypeOf } from "../job/job-types.js";
import type { Handlers, HandlersOf } from "./handler.js";
import { type Middleware, withMiddleware } from "./middleware.js";

/** Settings of `defineHandlers`. */
export interface DefineOptions {
  /** Runs around each of these handlers, the first outermost. Default: none. */
  readonly middleware?: readonly Middleware[] | undefined;
}

/**
 * Defines the handlers of jobs, by type: `export default defineHandlers<Jobs>({ email: async (job, context) => … })`. With `Jobs` given, a
 * name that is none, a handler that is missing, a payload read wrongly and a wrong result do not compile. `Type`: those of `Jobs` that are
 * defined here; default: all. The same module runs in a server (`HANDLERS`), in a task queue and in a worker. Throws a TypeError for what
 * is no handler.
 */
export function defineHandlers(handlers: Handlers, options?: DefineOptions): Handlers;
export function defineHandlers<Jobs extends JobTypes<Jobs>, Type extends TypeOf<Jobs> = TypeOf<Jobs>>(
  handlers: HandlersOf<Jobs, Type>,
  options?: DefineOptions,
): HandlersOf<Jobs, Type>;
export function defineHandlers(handlers: Handlers, { middleware }: DefineOptions = {}): Handlers {
  return withMiddleware(handlers, middleware);
}
