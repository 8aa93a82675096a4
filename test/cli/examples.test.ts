import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { shellWords } from "../../src/cli/completion/shell-words.js";
import { createContext } from "../../src/cli/context.js";
import type { Io } from "../../src/cli/io.js";
import { createProgram } from "../../src/cli/program.js";
import { COMMANDS } from "../../src/cli/registry.js";
import { readReadme } from "../support/readme.js";

const io: Io = {
  stdin: new PassThrough(),
  stdout: new PassThrough(),
  stderr: new PassThrough(),
  env: {},
  signals: new EventEmitter() as unknown as Io["signals"],
  outliveReaders() {},
};

/** The whole program, whose commands do nothing but take their arguments; and the commands with their words. */
async function idleProgram() {
  const program = createProgram(io, COMMANDS);
  const { context } = createContext(io);
  const all: (readonly [words: string, Command])[] = [];
  const add = (command: Command, before: string) => {
    const words = `${before}${command.name()}`;
    all.push([words, command]);
    if (command.commands.length === 0) command.action(() => {});
    for (const below of command.commands) add(below, `${words} `);
  };
  for (const command of program.commands) {
    const entry = COMMANDS.find(({ name }) => name === command.name());
    (await entry?.load())?.(command, context);
    add(command, "");
  }
  return { program, all };
}

/** The calls of the command in lines of a shell, as the words after its name. */
function callsIn(lines: string): string[][] {
  // What is in quotes may have anything in it.
  const calls = lines.matchAll(/(xargs )?(?<![\w./-])gotaskq ((?:'[^']*'|"[^"]*"|[^'"`|&;<>()\n])+)/g);
  return [...calls].map(([, more, words = ""]) => [
    ...shellWords(words.trim()).filter((word) => word !== ""),
    ...(more === undefined ? [] : ["from-xargs"]),
  ]);
}

async function understands(words: readonly string[]): Promise<void> {
  const { program } = await idleProgram();
  await program.parseAsync(words, { from: "user" }).catch((error: Error) => {
    throw new Error(`gotaskq ${words.join(" ")}: ${error.message}`);
  });
}

test("the examples in the help of each command are understood", async () => {
  const { all, program } = await idleProgram();
  let help = "";
  program.configureOutput({
    writeOut(text) {
      help += text;
    },
  });
  let count = 0;
  for (const [, command] of [["", program] as const, ...all]) {
    help = "";
    command.configureOutput(program.configureOutput());
    command.outputHelp();
    const examples = help
      .slice(help.indexOf("\nExamples:\n"))
      .split("\n")
      .filter((line) => /^ {2}\S/.test(line));
    for (const words of callsIn(examples.join("\n"))) {
      await understands(words);
      count++;
    }
  }
  expect(count).toBeGreaterThan(80);
});

test("the calls in the README are understood", async () => {
  const blocks = [...readReadme("src/cli/README.md").matchAll(/^```(?:sh)?\n(.*?)^```/gms)].map(([, code]) => code);
  const calls = callsIn(blocks.join("\n"));
  expect(calls.length).toBeGreaterThan(10);
  for (const words of calls) await understands(words);
});

test("an example that is wrong is found", async () => {
  expect(callsIn("a | gotaskq get '1 | 2' --jsn | gotaskq top; x=$(gotaskq jobs)")).toEqual([
    ["get", "1 | 2", "--jsn"],
    ["top"],
    ["jobs"],
  ]);
  await expect(understands(["get", "1", "--jsn"])).rejects.toThrow("unknown option '--jsn'");
  await expect(understands(["jobs", "--limit", "many"])).rejects.toThrow("whole number");
  await expect(understands(["quues"])).rejects.toThrow("unknown command");
});
