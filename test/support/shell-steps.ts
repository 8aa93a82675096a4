import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";

/** Commands, and a part of what they print, which a line `# => …` after them names. */
export interface ShellStep {
  readonly commands: string;
  readonly part: string;
}

/** The steps in the `sh` blocks of a text in Markdown. */
export function shellSteps(markdown: string): ShellStep[] {
  const blocks = [...markdown.matchAll(/^```sh\n(.*?)^```/gms)].map(([, code]) => code ?? "");
  return [...blocks.join("\n").matchAll(/(.*?)^# => ([^\n]*)$/gms)].map(([, commands = "", part = ""]) => {
    return { commands, part };
  });
}

/**
 * Runs steps in one shell, as a reader has, with `folder` for files of its own. Resolves to what each printed: to nothing after one that failed.
 */
export async function runShellSteps(steps: readonly ShellStep[], folder: string, cwd: string): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const fileOf = (index: number) => `${folder}/${index}.out`;
  steps.forEach((_, index) => {
    writeFileSync(fileOf(index), "");
  });
  const script = steps.map(({ commands }, index) => `exec >'${fileOf(index)}' 2>&1\n${commands}`).join("\n");
  writeFileSync(`${folder}/steps.sh`, script);
  await promisify(execFile)("bash", ["-euo", "pipefail", `${folder}/steps.sh`], { cwd }).catch((error) => error);
  return steps.map((_, index) => readFileSync(fileOf(index), "utf8"));
}
