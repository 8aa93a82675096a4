import { execFileSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";

/** A program that tests need. */
export interface NeededProgram {
  /** The command. */
  readonly command: string;
  /** Arguments of the call that checks whether the program is installed. Default: `--version`. */
  readonly args?: readonly string[];
  /** The package of Debian and Ubuntu that contains it. */
  readonly packageName: string;
  /** The system service that this package would start at once and at every boot. */
  readonly service?: string;
}

/** Debian's packages start no service while this file forbids it. */
const POLICY = "/usr/sbin/policy-rc.d";

/**
 * Makes sure that a program is installed: installs it with apt where that is possible. Throws an error that says what
 * is missing otherwise.
 */
export function install({ command, args = ["--version"], packageName, service }: NeededProgram): void {
  if (runs(command, ...args)) return;
  if (process.getuid?.() === 0 && runs("apt-get", "--version")) {
    apt("update", "-q");
    const done = service === undefined ? () => {} : forbidServices();
    try {
      apt("install", "-q", "-y", "--no-install-recommends", packageName);
      // A tool for tests must not become a service at the next boot.
      if (service !== undefined) runs("update-rc.d", service, "disable");
    } finally {
      done();
    }
  }
  if (!runs(command, ...args)) {
    throw new Error(`these tests need ${command} on the PATH: install it (Debian's package is ${packageName})`);
  }
}

/**
 * Forbids packages to start services until the returned function is called. A rule that exists already is left alone.
 */
function forbidServices(): () => void {
  if (existsSync(POLICY)) return () => {};
  writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  return () => rmSync(POLICY, { force: true });
}

function apt(...args: string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  execFileSync("apt-get", args, { stdio: "inherit", env });
}

function runs(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
