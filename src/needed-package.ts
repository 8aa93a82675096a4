/**
 * Loads a part of this package that needs packages which are optional for others. `who`: what it is, as "a server". Rejects with an error that
 * names the one that is not installed.
 */
export async function withNeededPackages<Module>(who: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    const missing = /^Cannot find package '([^']+)'/.exec(error instanceof Error ? error.message : "")?.[1];
    if (missing === undefined) throw error;
    const what = `${who} needs the package ${missing}, which is not installed`;
    throw new Error(`${what}: install gotaskq without --omit=optional`, { cause: error });
  }
}
