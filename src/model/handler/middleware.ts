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
    let running: Promise<unknown> | undefined;
    let hasEnded = false;
    let isOver = false;
    let result: unknown;
    let misuse: Error | undefined;
    const run = async () => {
      try {
        result = await inner(job, context);
        return result;
      } finally {
        hasEnded = true;
      }
    };
    const next = () => {
      if (running !== undefined) misuse = new Error("next() was called twice by a middleware");
      else if (isOver) misuse = new Error("next() was called by a middleware that had ended");
      if (misuse !== undefined) return handled(Promise.reject(misuse));
      running = handled(run());
      return running;
    };
    let own: unknown;
    try {
      own = await middleware(job, context, next);
    } finally {
      isOver = true;
    }
    if (misuse !== undefined) throw misuse;
    if (own !== undefined) return own;
    return hasEnded ? result : running;
  };
}

/** The same promise: that a middleware does not wait for it is no error that ends the process. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
