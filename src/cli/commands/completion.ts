import { Argument, type Command } from "commander";
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
  command.addHelpText(
    "after",
    "\nIt completes commands, options and their values; names of queues and schedules come from the server that GOTASKQ_URL\nor --url says.",
  );
  command.action((shell: Shell) => context.print(completionScript(shell)));
}
