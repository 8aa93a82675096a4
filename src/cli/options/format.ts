import type { Command } from "commander";

/** Adds the options of how results are written. */
export function addFormatOptions(command: Command): Command {
  return command
    .optionsGroup("Output:")
    .option("--json", "a line of JSON for each result, as where stdout is no terminal")
    .option("--text", "text for people, as on a terminal");
}

/** Adds examples to the help of a command: what to type, and what it does. */
export function addExamples(command: Command, examples: readonly (readonly [string, string])[]): Command {
  const lines = examples.map(([line, what]) => `  ${line}\n      ${what}`);
  return command.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}
