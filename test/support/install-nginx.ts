import { install } from "./install-package.js";

/** Runs before the tests that use nginx: installs it where it can be, or says that it is missing. */
export function setup(): void {
  install({ command: "nginx", args: ["-v"], packageName: "nginx-light", service: "nginx" });
}
