import type { Authorizer } from "../../access/authorizer.js";
import { importModule } from "../../import-module.js";

/** Loads the authorizer that a module exports by default. Throws an error that says what is wrong. */
export async function loadAuthorizer(path: string, from = process.cwd()): Promise<Authorizer> {
  const { default: authorizer } = await importModule(path, from);
  if (typeof authorizer === "function") return authorizer as Authorizer;
  throw new Error(`${path} must export a function by default: export default async ({ headers }) => { ... }`);
}
