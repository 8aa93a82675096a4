import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const SETUP = "test/support/setup.ts";
const CURL = "test/support/install-curl.ts";
const CHROMIUM = "test/support/install-chromium.ts";
const REDIS = "test/support/install-redis.ts";
const NGINX = "test/support/install-nginx.ts";

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const alias = [
  { find: /^gotaskq$/, replacement: source("./src/index.ts") },
  { find: /^gotaskq\/server$/, replacement: source("./src/server/index.ts") },
  { find: /^gotaskq\/handlers$/, replacement: source("./src/handlers/index.ts") },
  { find: /^gotaskq\/testing$/, replacement: source("./src/testing/index.ts") },
  { find: /^gotaskq\/client$/, replacement: source("./src/client/index.ts") },
  { find: /^gotaskq\/client\/web$/, replacement: source("./src/client/web.ts") },
];

/**
 * Left out by `npm test`: more languages on more stores, workers and servers that are killed, load for a while, and more of what a
 * faster test of the same thing shows in `npm test`.
 */
const LONG_CLIENTS = [
  ...["go-memory", "go-file", "python-file", "python-redis", "typescript-file", "typescript-redis"],
  ...["java", "rust"].flatMap((language) => ["memory", "file", "redis"].map((store) => `${language}-${store}`)),
  ...["gatherer-long", "killed", "languages", "restarted"],
].map((name) => `test/clients/${name}.test.ts`);
const LONG_KILLS = ["kills", "chaos", "processes-ends"].map((name) => `test/e2e/${name}.test.ts`);
const LONG_LOAD = ["stress", "soak", "full-memory"].map((name) => `test/e2e/${name}.test.ts`);
const LONG_PACKAGE = ["unpacked", "installed", "nodes"].map((name) => `test/package/${name}.test.ts`);
const LONG_CLI = ["programs", "shells", "readme"].map((name) => `test/cli/${name}.test.ts`);
const LONG_CONSOLE = ["recovery", "look-dark"].map((name) => `test/console/${name}.test.ts`);

/**
 * Projects whose files run one after another in the same processes: so the modules are loaded once, not for each of their many files. What
 * helpers do around tests goes through test/support/cleanup.ts, and spies end with their test.
 */
const SHARING = ["unit", "redis", "rpc", "client"];

function project(
  name: string,
  include: string[],
  testTimeout: number,
  globalSetup: string[] = [],
  exclude: string[] = [],
) {
  return {
    resolve: { alias },
    test: {
      ...{ name, include, exclude, testTimeout, globalSetup, setupFiles: [SETUP], hookTimeout: 60_000 },
      ...{ isolate: !SHARING.includes(name), restoreMocks: true, unstubGlobals: true },
    },
  };
}

// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default defineConfig({
  test: {
    // One more than the machine may have cores: many tests mostly wait, for a Redis that is away or a lease that ends.
    maxWorkers: 3,
    projects: [
      project(
        "unit",
        [
          "test/model/**/*.test.ts",
          "test/access/**/*.test.ts",
          "test/wire/**/*.test.ts",
          "test/core/**/*.test.ts",
          "test/server/**/*.test.ts",
          "test/handlers/**/*.test.ts",
          "test/testing/**/*.test.ts",
          "test/supervisor/**/*.test.ts",
          "test/backends/memory/**/*.test.ts",
        ],
        10_000,
      ),
      project("contract", ["test/backends/{contract,file,shared}/**/*.test.ts"], 60_000, [REDIS]),
      project("redis", ["test/backends/redis/**/*.test.ts"], 60_000, [REDIS]),
      project("rpc", ["test/rpc/**/*.test.ts"], 30_000, [CURL, REDIS]),
      project("attacks", ["test/attacks/**/*.test.ts"], 90_000),
      project("client", ["test/client/**/*.test.ts"], 60_000, [REDIS]),
      project("cli", ["test/cli/**/*.test.ts"], 30_000, [], LONG_CLI),
      // Every command as a program of its own, in pipes and terminals, on Redis too; completion in real shells; the README.
      project("long:cli", LONG_CLI, 60_000, [REDIS, "test/cli/install-shells.ts"]),
      project("telemetry", ["test/telemetry/**/*.test.ts"], 30_000, [REDIS]),
      project("proxies", ["test/proxies/**/*.test.ts"], 60_000, [NGINX]),
      project("clients", ["test/clients/**/*.test.ts"], 60_000, ["test/clients/install.ts", REDIS], LONG_CLIENTS),
      project("long:clients", LONG_CLIENTS, 60_000, ["test/clients/install-all.ts", REDIS]),
      project("long:kills", LONG_KILLS, 240_000, [REDIS]),
      project("long:load", LONG_LOAD, 240_000, [REDIS]),
      project("long:console", LONG_CONSOLE, 60_000, [CHROMIUM]),
      // Connect's own suite; `npm test` leaves it out.
      project("long:conformance", ["test/conformance/**/*.test.ts"], 180_000, ["test/conformance/install.ts"]),
      // Servers of an older commit beside those of this one; `npm test` leaves it out.
      project("long:upgrade", ["test/upgrade/**/*.test.ts"], 240_000, ["test/upgrade/install.ts", REDIS]),
      // What is in .ops: rules and dashboards against the metrics of real servers, the unit, the manifests.
      project("ops", ["test/ops/**/*.test.ts"], 60_000, ["test/ops/install.ts", REDIS]),
      // The image recipe, step by step; `npm test` leaves it out.
      project("long:image", ["test/image/**/*.test.ts"], 300_000),
      project("console", ["test/console/**/*.test.ts"], 60_000, [CHROMIUM], LONG_CONSOLE),
      // The package as npm packs it; what installs it somewhere, and other versions of Node, are left out by `npm test`.
      project("package", ["test/package/**/*.test.ts"], 60_000, [], LONG_PACKAGE),
      project("long:package", LONG_PACKAGE, 120_000, [REDIS]),
      project("e2e", ["test/e2e/**/*.test.ts"], 240_000, [CURL, REDIS], [...LONG_KILLS, ...LONG_LOAD]),
    ],
  },
});
