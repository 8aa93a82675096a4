import {
  callHandler,
  type Handler,
  type HandlerContext,
  type HandlerJob,
  type Handlers,
  handlerTypes,
} from "./handler.js";

/**
 * Runs around handlers: for what each of them needs. `next` runs the rest, the handler at last, and resolves to the result or rejects with
 * what was thrown; it may be called once. What the middleware returns becomes the result; when that is undefined, what `next` resolved to
 * does. A middleware that does not call `next` decides the attempt alone.
 */
export type Middleware = (job: HandlerJob, context: HandlerContext, next: () => Promise<unknown>) => unknown;

/**
 * Returns these handlers with the middleware around each, the first outermost; the handlers themselves when there is none. Throws a
 * TypeError for what is no function.
 */
export function withMiddleware(handlers: Handlers, middleware: readonly Middleware[] = []): Handlers {
  const types = handlerTypes(handlers);
  if (!Array.isArray(middleware)) throw new TypeError("middleware: must be a list of functions");
  middleware.forEach((each, index) => {
    if (typeof each !== "function") throw new TypeError(`middleware[${index}]: must be a function`);
  });
  if (middleware.length === 0) return handlers;
  const wrapped: Record<string, Handler> = {};
  const whole = middleware.reduceRight<Handler>(around, (job, context) => callHandler(handlers, job, context));
  for (const type of types) Object.defineProperty(wrapped, type, { value: whole, enumerable: true });
  return wrapped;
}

/** Returns a handler with a middleware around it. */
function around(inner: Handler, middleware: Middleware): Handler {
  return async (job, context) => {
    let result: unknown;
    let isCalled = false;
    const next = async () => {
      if (isCalled) throw new Error("next() was called twice by a middleware");
      isCalled = true;
      result = await inner(job, context);
      return result;
    };
    const own = await middleware(job, context, next);
    return own === undefined ? result : own;
  };
}
