import type { TestProject } from "vitest/node";
import { prepareAll, QUICK } from "./install.js";
import { prepareJava, prepareRust } from "./prepare.js";

/** The set-up of vitest for the tests of every language. */
export function setup(project: TestProject): void {
  prepareAll(project, { ...QUICK, Java: prepareJava, Rust: prepareRust });
}
