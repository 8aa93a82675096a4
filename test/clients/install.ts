import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { prepareGo, preparePython } from "./prepare.js";

// Runs before the tests of the clients: installs the generators of each language into a folder that git ignores,
// generates the stubs with buf, and builds the programs. Java and Rust take minutes: see install-all.ts. A language that is not installed here is skipped, with a clear
// message; with GOTASKQ_TEST_CLIENTS=required that is an error.

declare module "vitest" {
  interface ProvidedContext {
    /** Why the tests of a language cannot run, by language; "" when they can. */
    readonly missing: Readonly<Record<string, string>>;
  }
}

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Builds the client of one language in the repository at this path. Throws what is missing. */
export type Prepare = (root: string) => void;

/** The languages whose clients are built in seconds. */
export const QUICK: Readonly<Record<string, Prepare>> = { Go: prepareGo, Python: preparePython };

/** Prepares those of these languages that are installed here, and tells the tests why others are not. */
export function prepareAll(project: TestProject, languages: Readonly<Record<string, Prepare>>): void {
  const missing: Record<string, string> = {};
  for (const [language, prepare] of Object.entries(languages)) {
    missing[language] = "";
    try {
      prepare(root);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (process.env.GOTASKQ_TEST_CLIENTS === "required") throw error;
      missing[language] = text;
      process.stderr.write(`\n!!! THE CLIENTS IN ${language.toUpperCase()} ARE NOT TESTED: ${text}\n\n`);
    }
  }
  project.provide("missing", missing);
}

/** The set-up of vitest. */
export function setup(project: TestProject): void {
  prepareAll(project, QUICK);
}
