import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createSystemClock } from "../../../src/core/clock.js";
import type { HandlerRunner } from "../../../src/core/handler-runner.js";
import { createInProcessRunner } from "../../../src/core/pool/in-process-runner.js";
import type * as Module from "../../../src/handlers/isolate-handlers.js";
import { loadHandlers } from "../../../src/handlers/load-handlers.js";

/** The path of a module of handlers for tests. */
export const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** The build, as threads and processes start ten times as fast with it. */
const BUILT = fileURLToPath(new URL("../../../.build/src/handlers/isolate-handlers.js", import.meta.url));

/** Creates what runs the handlers of a module in one of the three places. */
export async function createRunner(
  isolation: "none" | "threads" | "processes",
  path: string,
  options: Omit<Module.IsolationOptions, "isolation"> = {},
): Promise<HandlerRunner> {
  if (isolation === "none") return createInProcessRunner(await loadHandlers(path));
  if (!existsSync(BUILT)) throw new Error("this is not built: run `npm run build`, or the tests by `npm test`");
  const { isolateHandlers } = (await import(BUILT)) as typeof Module;
  return isolateHandlers(path, { clock: createSystemClock(), ...options, isolation });
}
