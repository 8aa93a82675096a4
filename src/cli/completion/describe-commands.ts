import type { Command, Option } from "commander";
import type { CommandEntry } from "../command-entry.js";
import type { Context } from "../context.js";
import { createProgram } from "../program.js";

/** What can be typed after some words. */
export interface CommandWords {
  /** The words before, as in `dlq list`; empty: the program itself. */
  readonly path: string;
  /** Commands, with what each is for. */
  readonly commands: readonly Word[];
  /** Options, with what each is for. */
  readonly options: readonly OptionWord[];
}

/** A word, and what it is for. */
export interface Word {
  readonly word: string;
  readonly about: string;
}

/** An option. */
export interface OptionWord extends Word {
  readonly hasValue: boolean;
  /** Whether its value is the path of a file. */
  readonly isFile: boolean;
}

/** Describes the program and all its commands: each is loaded. */
export async function describeCommands(
  context: Context,
  commands: readonly CommandEntry[],
): Promise<readonly CommandWords[]> {
  const program = createProgram(context.io, commands);
  for (const entry of commands) {
    const command = program.commands.find((each) => each.name() === entry.name);
    if (command !== undefined) (await entry.load())(command, context);
  }
  return describe(program, "");
}

function describe(command: Command, path: string): CommandWords[] {
  const below = command.commands;
  return [
    {
      path,
      commands: below.map((each) => ({ word: each.name(), about: each.description() })),
      options: [
        ...command.options.flatMap(optionWords),
        { word: "--help", about: "the help", hasValue: false, isFile: false },
      ],
    },
    ...below.flatMap((each) => describe(each, `${path} ${each.name()}`.trim())),
  ];
}

function optionWords({ long, description, required, optional, flags }: Option): OptionWord[] {
  if (long === undefined || long === null) return [];
  return [
    { word: long, about: description, hasValue: required || optional, isFile: /<(file|folder|module)>/.test(flags) },
  ];
}
