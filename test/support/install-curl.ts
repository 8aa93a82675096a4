import { execFileSync } from "node:child_process";

/** Runs before the tests that use curl: installs it where it can be, or says that it is missing. */
export function setup(): void {
  if (runs("curl", "--version")) return;
  if (process.getuid?.() === 0 && runs("apt-get", "--version")) {
    execFileSync("apt-get", ["update", "-q"], { stdio: "inherit" });
    execFileSync("apt-get", ["install", "-q", "-y", "--no-install-recommends", "curl"], { stdio: "inherit" });
  }
  if (!runs("curl", "--version")) throw new Error("these tests need curl on the PATH: install it");
}

function runs(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
