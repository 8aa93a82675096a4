import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { errorText } from "./model/common/describe-error.js";
import { withNeededPackages } from "./model/process/needed-package.js";

/**
 * Imports a module of the operator's by its path. TypeScript (`.ts`, `.mts`, `.cts`) needs no build. Throws an error that says what
 * is wrong.
 */
export async function importModule(path: string, from: string): Promise<Readonly<Record<string, unknown>>> {
  const url = pathToFileURL(resolve(from, path)).href;
  let module: Record<string, unknown>;
  try {
    module = /\.[mc]?ts$/.test(path) ? await importTypeScript(url) : await import(url);
  } catch (error) {
    throw new Error(`${path} cannot be loaded: ${errorText(error)}`, { cause: error });
  }
  return ofCommonJs(module) ?? module;
}

async function importTypeScript(url: string): Promise<Record<string, unknown>> {
  const { tsImport } = await withNeededPackages("a module in TypeScript needs", () => import("tsx/esm/api"));
  return tsImport(url, import.meta.url);
}

/**
 * Returns the exports of a module that was compiled to CommonJS, or undefined for any other. TypeScript is compiled so
 * in a package without `"type": "module"`; its exports are then inside the default export.
 */
function ofCommonJs({ default: inner }: Record<string, unknown>): Record<string, unknown> | undefined {
  return isObject(inner) && inner.__esModule === true ? inner : undefined;
}

/** Whether a value is an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
