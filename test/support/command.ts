import { spawn } from "node:child_process";
import { within } from "./wait.js";

/** The result of a command. */
export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. Fails with a clear message when it is not installed. */
export function run(command: string, args: readonly string[]): Promise<CommandResult> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<CommandResult>((resolve, reject) => {
    child.on("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "ENOENT" ? new Error(`this test needs "${command}", and it is not installed`) : error);
    });
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  return within(ended, `the end of ${command}`).finally(() => child.kill("SIGKILL"));
}
