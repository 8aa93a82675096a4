type Program = typeof import("./program.js");

/**
 * Loads the server program. Rejects with an error that names the package when one that is optional for others, and that a server needs, is not
 * installed.
 */
export async function loadProgram(): Promise<Program> {
  try {
    return await import("./program.js");
  } catch (error) {
    const missing = /^Cannot find package '([^']+)'/.exec(error instanceof Error ? error.message : "")?.[1];
    if (missing === undefined) throw error;
    const what = `a server needs the package ${missing}, which is not installed`;
    throw new Error(`${what}: install gotaskq without --omit=optional`, { cause: error });
  }
}
