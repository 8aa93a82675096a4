import { install } from "./install-package.js";

/** Runs before the tests that use curl: installs it where that is possible, or says that it is missing. */
export function setup(): void {
  install({ command: "curl", packageName: "curl" });
}
