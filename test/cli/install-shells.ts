import { install } from "../support/install-package.js";

/** Runs before the tests that complete commands in shells: installs zsh and fish where that is possible, or says which is missing. */
export function setup(): void {
  install({ command: "zsh", packageName: "zsh" });
  install({ command: "fish", packageName: "fish" });
}
