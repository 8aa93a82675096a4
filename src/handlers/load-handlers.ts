import { importModule, isObject } from "../import-module.js";
import { errorText } from "../model/common/describe-error.js";
import { LIMITS } from "../model/common/limits.js";
import type { Handler, Handlers } from "../model/handler/handler.js";
import { type Middleware, withMiddleware } from "../model/handler/middleware.js";

/**
 * Loads handlers by job type from a module. They are the functions in its default export, when that is an object, or
 * else those among its named exports. A list that it exports as `middleware` runs around them. TypeScript (`.ts`, `.mts`, `.cts`)
 * needs no build. Throws an error that says what is wrong.
 */
export async function loadHandlers(path: string, from = process.cwd()): Promise<Handlers> {
  const { default: byDefault, ...named } = await importModule(path, from);
  const source = isObject(byDefault) ? byDefault : named;
  const handlers: Record<string, Handler> = {};
  for (const [type, handler] of Object.entries(source)) {
    if (typeof handler === "function") {
      if (type.length === 0 || type.length > LIMITS.typeLength) throw new Error(`${path}: "${type}" is not a job type`);
      handlers[type] = handler as Handler;
    } else if (source === byDefault) {
      throw new Error(`${path}: the handler of "${type}" is not a function`);
    }
  }
  if (Object.keys(handlers).length === 0) {
    throw new Error(`${path} exports no handler: export default { "my-type": async (job, context) => { ... } }`);
  }
  const { middleware } = named;
  // A handler, where these are named exports.
  if (middleware === undefined || (source === named && typeof middleware === "function")) return handlers;
  try {
    return withMiddleware(handlers, middleware as Middleware[]);
  } catch (error) {
    throw new Error(`${path}: ${errorText(error)}`);
  }
}
