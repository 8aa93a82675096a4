/**
 * Loads what needs packages that are optional for others. `needs`: what does, as "a server needs". Rejects with an error that names the one
 * that is not installed.
 */
export async function withNeededPackages<Module>(needs: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    throw missingPackage(needs, error) ?? error;
  }
}

/** What to tell of an error of `import` or `require`; undefined: it is not that a package is not installed. `needs` as above. */
export function missingPackage(needs: string, error: unknown): Error | undefined {
  const text = error instanceof Error ? error.message : "";
  const missing = /^Cannot find (?:package|module) '((?:@[^/']+\/)?[^./'][^/']*)/.exec(text)?.[1];
  if (missing === undefined) return undefined;
  const what = `${needs} the package ${missing}, which is not installed`;
  return new Error(`${what}: install gotaskq without --omit=optional`, { cause: error });
}
