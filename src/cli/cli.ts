import { Command, CommanderError } from "commander";
import { errorText } from "../model/describe-error.js";
import { TaskQueueError } from "../model/errors.js";
import { escapeUnsafe } from "../model/unsafe-text.js";
import { readVersion } from "../version.js";
import { CommandError } from "./command-error.js";
import { createContext } from "./context.js";
import { EXIT, EXIT_CODES_HELP, exitCodeOf } from "./exit-codes.js";
import type { Io } from "./io.js";
import { addConnectionOptions } from "./options/connection.js";
import { COMMANDS } from "./registry.js";

/** Runs one command, and resolves to the exit code. What is wrong is told on stderr; it never rejects. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  const { context, close } = createContext(io);
  const program = createProgram(io);
  const loaded = new Set<Command>();
  program.hook("preSubcommand", async (_, command) => {
    const entry = COMMANDS.find(({ name }) => name === command.name());
    if (entry === undefined || loaded.has(command)) return;
    loaded.add(command);
    (await entry.load())(command, context);
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return context.exitCode;
  } catch (error) {
    return explain(error, io, context.urls);
  } finally {
    close();
  }
}

/** The program with its commands, of which none is loaded. */
export function createProgram(io: Io): Command {
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
  for (const { name, summary, group } of COMMANDS) program.command(name).description(summary).helpGroup(group);
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

/** Tells a person why a command failed, and returns the exit code. */
function explain(error: unknown, io: Io, urls: readonly string[]): number {
  const tell = (text: string) => void io.stderr.write(`gotaskq: ${escapeUnsafe(text)}\n`);
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof CommandError) {
    tell(error.message);
    return error.exitCode;
  }
  if (error instanceof TaskQueueError) {
    tell(`${error.message}${reasonOf(error)}`);
    for (const hint of hintsOf(error, urls)) tell(hint);
    return exitCodeOf(error.code);
  }
  tell(io.env.GOTASKQ_DEBUG && error instanceof Error ? (error.stack ?? error.message) : errorText(error));
  return EXIT.failure;
}

function reasonOf({ reason, requestId }: TaskQueueError): string {
  return ` (${[reason, ...(requestId === undefined ? [] : [`request ${requestId}`])].join(", ")})`;
}

/** What a person may try. `urls`: of the server that was called. */
function hintsOf({ code, reason }: TaskQueueError, urls: readonly string[]): readonly string[] {
  if (reason === "TOKEN_INVALID") return ["--token, --token-file, GOTASKQ_TOKEN or GOTASKQ_TOKEN_FILE say who calls"];
  // With a reason of its own, a server has answered.
  if (code !== "UNAVAILABLE" || reason !== code) return [];
  return [`is a server at ${urls.join(", ")}? --url or GOTASKQ_URL says where it is`];
}
