import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { errorText } from "../../model/describe-error.js";
import type { Handler, Handlers } from "../../model/handler.js";
import { LIMITS } from "../../model/limits.js";

/**
 * Loads handlers by job type from a module. They are the functions in its default export, when that is an object, or
 * else those among its named exports. TypeScript (`.ts`, `.mts`, `.cts`) needs no build. Throws an error that says what
 * is wrong.
 */
export async function loadHandlers(path: string, from = process.cwd()): Promise<Handlers> {
  const url = pathToFileURL(resolve(from, path)).href;
  let module: Record<string, unknown>;
  try {
    module = /\.[mc]?ts$/.test(path) ? await importTypeScript(url) : await import(url);
  } catch (error) {
    throw new Error(`${path} cannot be loaded: ${errorText(error)}`, { cause: error });
  }
  const { default: byDefault, ...named } = ofCommonJs(module) ?? module;
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
  return handlers;
}

async function importTypeScript(url: string): Promise<Record<string, unknown>> {
  const { tsImport } = await import("tsx/esm/api");
  return tsImport(url, import.meta.url);
}

/**
 * Returns the exports of a module that was compiled to CommonJS, or undefined for any other. TypeScript is compiled so
 * in a package without `"type": "module"`; its exports are then inside the default export.
 */
function ofCommonJs({ default: inner }: Record<string, unknown>): Record<string, unknown> | undefined {
  return isObject(inner) && inner.__esModule === true ? inner : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
