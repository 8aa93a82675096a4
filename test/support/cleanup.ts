/** What is done at the end of each file. `late`: after all others, as they may use what this ends. */
const afterFiles: { readonly work: () => unknown; readonly isLate: boolean }[] = [];
const beforeTests: (() => unknown)[] = [];
const afterTests: (() => unknown)[] = [];

/**
 * What helpers of tests do around each test, and after each file. Files share the modules of a process, so hooks that a module
 * registers by itself would be those of the first file that imports it only: `setup.ts` has these called for every file.
 */
export const cleanup = {
  beforeEachTest: (work: () => unknown): void => void beforeTests.push(work),
  afterEachTest: (work: () => unknown): void => void afterTests.push(work),
  afterEachFile: (work: () => unknown, isLate = false): void => void afterFiles.push({ work, isLate }),
};

/** Calls what is to be done before a test. */
export function beginTest(): void {
  for (const work of beforeTests) work();
}

/** Calls what is to be done after a test, the last registered first: a helper registers after those that it uses. */
export async function endTest(): Promise<void> {
  for (const work of afterTests.toReversed()) await work();
}

/** Calls what is to be done after a file. */
export async function endFile(): Promise<void> {
  for (const isLate of [false, true]) {
    for (const each of afterFiles.toReversed()) if (each.isLate === isLate) await each.work();
  }
}
