import { Argument, type Command } from "commander";
import { describeCommands } from "../completion/describe-commands.js";
import { completionScript, SHELLS, type Shell } from "../completion/scripts.js";
import type { Context } from "../context.js";
import { addExamples } from "../options/format.js";

export function configureCompletion(command: Command, context: Context): void {
  command.addArgument(new Argument("<shell>", "for which shell").choices(SHELLS));
  addExamples(command, [
    ["source <(gotaskq completion bash)", "in ~/.bashrc"],
    ["source <(gotaskq completion zsh)", "in ~/.zshrc, after compinit"],
    ["gotaskq completion fish > ~/.config/fish/completions/gotaskq.fish", "once"],
  ]);
  command.action(async (shell: Shell) => {
    await context.print(completionScript(shell, await describeCommands(context)));
  });
}
