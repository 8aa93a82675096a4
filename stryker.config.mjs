// `npm run mutate`, see test/README.md.

/** @type {import("@stryker-mutator/api/core").PartialStrykerOptions} */
// biome-ignore lint/style/noDefaultExport: Stryker reads the default export
export default {
  mutate: ["src/model/*.ts", "src/core/**/*.ts", "src/backends/memory/**/*.ts"],
  testRunner: "vitest",
  vitest: { configFile: "test/mutation/vitest.config.ts", related: false },
  coverageAnalysis: "perTest",
  concurrency: 1,
  timeoutMS: 3000,
  // A changed constant of a module would need a run of all tests, ten seconds each.
  ignoreStatic: true,
  // Only what these tests read is copied.
  ignorePatterns: ["**", "!package.json", "!src/**", "!gen/**", "!test/**"],
  // Stryker would rewrite this file with the compiler's own API, which TypeScript 7 no longer has.
  tsconfigFile: "none",
  disableTypeChecks: false,
  tempDirName: ".mutation/sandbox",
  incrementalFile: ".mutation/incremental.json",
  reporters: ["clear-text", "html", "json", "progress-append-only"],
  clearTextReporter: { logTests: false, reportTests: false, allowColor: false },
  htmlReporter: { fileName: ".mutation/report.html" },
  jsonReporter: { fileName: ".mutation/report.json" },
};
