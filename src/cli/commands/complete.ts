import type { Command } from "commander";
import type { CommandEntry, Configure } from "../command-entry.js";
import { type Expected, expectedAt, type Word } from "../completion/expected.js";
import { shellWords } from "../completion/shell-words.js";
import type { Context } from "../context.js";
import { type ConnectionOptions, connectionOf } from "../options/connection.js";
import { addExamples } from "../options/format.js";
import { inLine } from "../output/style.js";
import { createProgram } from "../program.js";

/** How long a server may take, ms: somebody waits at the keyboard. */
const ANSWER_MS = 1500;

/** Creates what configures the command that the completion of shells asks what can be typed, for these commands. */
export function createConfigureComplete(commands: readonly CommandEntry[]): Configure {
  return (command, context) => configureComplete(command, context, commands);
}

function configureComplete(command: Command, context: Context, commands: readonly CommandEntry[]): void {
  command
    .argument("[word...]", "the words after the name of the program; the last is the one that is typed, or is empty")
    .option("--line <text>", "or the line of bash up to where it is typed");
  addExamples(command, [["gotaskq complete -- dlq re", "what completion of a shell asks after `dlq re`"]]);
  command.action(async (given: readonly string[], { line }: { readonly line?: string }) => {
    const words = line === undefined ? given : shellWords(line).slice(1);
    const program = createProgram(context.io, commands);
    const expected = await expectedAt(program, words, async (found) => {
      const entry = found.parent === program ? commands.find(({ name }) => name === found.name()) : undefined;
      if (entry !== undefined) (await entry.load())(found, context);
    });
    const { typed, prefix, source } = expected;
    if (source === "files") return context.print(`files\t${prefix}\n`);
    const all = [...expected.words, ...(source === undefined ? [] : await askServer(context, expected))];
    const fitting = all.filter(({ word }) => word.startsWith(typed));
    const lines = fitting.map(({ word, about }) => `${prefix}${word}${about === "" ? "" : `\t${inLine(about)}`}`);
    await context.print(`${["words", ...lines].join("\n")}\n`);
  });
}

/** What a server knows. Nothing when it does not answer: there is no place to tell why. */
async function askServer({ io }: Context, expected: Expected): Promise<readonly Word[]> {
  try {
    const { urls, options } = connectionOf(expected.given as ConnectionOptions, io.env);
    const [{ createClient }, { knownWords }] = await Promise.all([
      import("../../client/index.js"),
      import("../completion/known-words.js"),
    ]);
    const client = createClient(urls, { ...options, timeoutMs: ANSWER_MS, retryMs: 0 });
    try {
      return await knownWords(client, expected);
    } finally {
      client.close();
    }
  } catch {
    return [];
  }
}
