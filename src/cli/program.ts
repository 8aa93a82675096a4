import { Command } from "commander";
import { escapeUnsafe } from "../model/common/unsafe-text.js";
import { readVersion } from "../version.js";
import type { CommandEntry } from "./command-entry.js";
import { EXIT_CODES_HELP } from "./exit-codes.js";
import type { Io } from "./io.js";
import { addConnectionOptions } from "./options/connection.js";

/** The program with its commands, of which none is loaded. */
export function createProgram(io: Io, commands: readonly CommandEntry[]): Command {
  const program = new Command("gotaskq")
    .description("The command line of GoTaskQ, a job server.")
    .version(readVersion(), "-V, --version", "the version")
    .helpOption("-h, --help", "this text")
    .helpCommand("help [command]", "the help of a command")
    .enablePositionalOptions()
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError("--help tells what there is")
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      outputError: (text, write) => write(escapeUnsafe(text.replace(/^error: /, "gotaskq: "))),
      getOutHelpWidth: () => io.stdout.columns || 100,
      getErrHelpWidth: () => io.stderr.columns || 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  addConnectionOptions(program);
  for (const { name, summary, group, isHidden = false } of commands) {
    program.command(name, { hidden: isHidden }).description(summary).helpGroup(group);
  }
  return program.addHelpText(
    "after",
    `
${EXIT_CODES_HELP}

Results go to stdout: text on a terminal, a line of JSON each elsewhere (--json, --text).
Durations are written like 500ms, 30s, 5m, 24h; a number alone is in ms.

Examples:
  gotaskq serve --data-dir ./data --handlers ./handlers.ts
  gotaskq enqueue echo '{"hello":"world"}' --wait
  gotaskq jobs --status DEAD --json | jq -r .error
  gotaskq check --url https://jobs.example.com --token-file ./token`,
  );
}
