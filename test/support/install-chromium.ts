import { install } from "./install-package.js";

/** Runs before the tests that use a browser: installs Chromium where that is possible, or says that it is missing. */
export function setup(): void {
  install({ command: "chromium", packageName: "chromium" });
}
