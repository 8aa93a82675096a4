import { Argument, type Command } from "commander";
import type { CommandEntry, Configure } from "../command-entry.js";
import { describeCommands } from "../completion/describe-commands.js";
import { completionScript, SHELLS, type Shell } from "../completion/scripts.js";
import type { Context } from "../context.js";
import { addExamples } from "../options/format.js";

/** Creates what configures the completion of these commands, itself among them. */
export function createConfigureCompletion(commands: readonly CommandEntry[]): Configure {
  return (command, context) => configureCompletion(command, context, commands);
}

function configureCompletion(command: Command, context: Context, commands: readonly CommandEntry[]): void {
  command.addArgument(new Argument("<shell>", "for which shell").choices(SHELLS));
  addExamples(command, [
    ["source <(gotaskq completion bash)", "in ~/.bashrc"],
    ["source <(gotaskq completion zsh)", "in ~/.zshrc, after compinit"],
    ["gotaskq completion fish > ~/.config/fish/completions/gotaskq.fish", "once"],
  ]);
  command.action(async (shell: Shell) => {
    await context.print(completionScript(shell, await describeCommands(context, commands)));
  });
}
