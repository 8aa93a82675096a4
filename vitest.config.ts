import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const alias = { gotaskq: fileURLToPath(new URL("./src/index.ts", import.meta.url)) };

function project(name: string, include: string[], testTimeout: number, globalSetup: string[] = []) {
  return { resolve: { alias }, test: { name, include, testTimeout, globalSetup, hookTimeout: 60_000 } };
}

// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default defineConfig({
  test: {
    projects: [
      project(
        "unit",
        ["test/core/**/*.test.ts", "test/server/**/*.test.ts", "test/backends/memory/**/*.test.ts"],
        10_000,
      ),
      project("contract", ["test/backends/contract/**/*.test.ts"], 60_000),
      project("rpc", ["test/rpc/**/*.test.ts"], 30_000, ["test/support/install-curl.ts"]),
      project("e2e", ["test/e2e/**/*.test.ts"], 240_000, ["test/support/install-curl.ts"]),
    ],
  },
});
