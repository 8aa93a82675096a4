import { withNeededPackages } from "../model/process/needed-package.js";

type Program = typeof import("./program.js");

/**
 * Loads the server program. Rejects with an error that names the package when one that is optional for others, and that a server needs, is not
 * installed.
 */
export function loadProgram(): Promise<Program> {
  return withNeededPackages("a server needs", () => import("./program.js"));
}
