import { type Command, CommanderError } from "commander";
import { errorText } from "../model/common/describe-error.js";
import { TaskQueueError } from "../model/common/errors.js";
import { escapeUnsafe } from "../model/common/unsafe-text.js";
import { CommandError } from "./command-error.js";
import { createContext } from "./context.js";
import { EXIT } from "./exit-codes.js";
import { exitCodeOfError, hintsOf } from "./hints.js";
import type { Io } from "./io.js";
import { createProgram } from "./program.js";
import { COMMANDS } from "./registry.js";

/** Runs one command, and resolves to the exit code. What is wrong is told on stderr; it never rejects. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  const { context, close } = createContext(io);
  const program = createProgram(io, COMMANDS);
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

/** Tells a person why a command failed, and returns the exit code. */
function explain(error: unknown, io: Io, urls: readonly string[]): number {
  const tell = (text: string) => void io.stderr.write(`gotaskq: ${escapeUnsafe(text)}\n`);
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof CommandError) {
    tell(error.message);
    return error.exitCode;
  }
  if (error instanceof TaskQueueError) {
    tell(`${error.message.trimEnd()}${reasonOf(error)}`);
    for (const hint of hintsOf(error, urls)) tell(hint);
    return exitCodeOfError(error);
  }
  tell(io.env.GOTASKQ_DEBUG && error instanceof Error ? (error.stack ?? error.message) : errorText(error));
  return EXIT.failure;
}

function reasonOf({ reason, requestId }: TaskQueueError): string {
  return ` (${[reason, ...(requestId === undefined ? [] : [`request ${requestId}`])].join(", ")})`;
}
