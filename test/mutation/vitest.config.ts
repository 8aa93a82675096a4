import { defineConfig } from "vitest/config";

function project(name: string, include: string[], testTimeout: number) {
  const setupFiles = ["test/support/setup.ts", "test/mutation/no-shrinking.ts"];
  // Modules are loaded once a run, not once a file: which change is on is decided while the code runs.
  return { test: { name, include, testTimeout, setupFiles, isolate: false } };
}

/** The tests that `npm run mutate` runs: those of the model, the core and the memory backend, without sockets. */
// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default defineConfig({
  test: {
    projects: [
      // Short: many changes make a test wait for what never comes.
      project("unit", ["test/model/**/*.test.ts", "test/core/**/*.test.ts", "test/backends/memory/**/*.test.ts"], 4000),
      project("contract", ["test/backends/contract/memory.test.ts"], 60_000),
    ],
  },
});
