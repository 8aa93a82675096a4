import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Handler, Handlers } from "../model/handler.js";
import { LIMITS } from "../model/limits.js";

/**
 * Loads a module of handlers by type: its default export, an object of functions, or else its named exports that are
 * functions. TypeScript (`.ts`, `.mts`) needs no build. Throws an error that says what is wrong.
 */
export async function loadHandlers(path: string, from = process.cwd()): Promise<Handlers> {
  const url = pathToFileURL(resolve(from, path)).href;
  let module: Record<string, unknown>;
  try {
    module = /\.[mc]?ts$/.test(path) ? await importTypeScript(url) : await import(url);
  } catch (error) {
    throw new Error(`${path} cannot be loaded: ${error instanceof Error ? error.message : error}`, { cause: error });
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
 * The exports of a module that was compiled to CommonJS, as TypeScript is in a package that does not say
 * `"type": "module"`: they lie one level further in.
 */
function ofCommonJs({ default: inner }: Record<string, unknown>): Record<string, unknown> | undefined {
  return isObject(inner) && inner.__esModule === true ? inner : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
