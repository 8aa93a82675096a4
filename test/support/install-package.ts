import { execFileSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";

/** A program that tests need. */
export interface NeededProgram {
  /** What is called. */
  readonly command: string;
  /** What it is called with to see whether it is there. Default: `--version`. */
  readonly args?: readonly string[];
  /** The package of Debian and Ubuntu that has it. */
  readonly packageName: string;
  /** The system service that this package would start at once and at every boot. */
  readonly service?: string;
}

/** Debian's packages start no service while this file forbids it. */
const POLICY = "/usr/sbin/policy-rc.d";

/** Sees to it that a program is there: installs it by apt where that can be, or throws an error that says what is missing. */
export function install({ command, args = ["--version"], packageName, service }: NeededProgram): void {
  if (runs(command, ...args)) return;
  if (process.getuid?.() === 0 && runs("apt-get", "--version")) {
    apt("update", "-q");
    const done = service === undefined ? () => {} : forbidServices();
    try {
      apt("install", "-q", "-y", "--no-install-recommends", packageName);
      // A tool for tests must not turn into a service at the next boot.
      if (service !== undefined) runs("update-rc.d", service, "disable");
    } finally {
      done();
    }
  }
  if (!runs(command, ...args)) {
    throw new Error(`these tests need ${command} on the PATH: install it (Debian's package is ${packageName})`);
  }
}

/** Lets no package start a service, until the answer is called. A rule that the machine already has is left alone. */
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
