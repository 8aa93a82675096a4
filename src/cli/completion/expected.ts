import type { Argument, Command, Option } from "commander";

/** A word that can be typed, and what it is for. */
export interface Word {
  readonly word: string;
  readonly about: string;
}

/** What only a server knows, or the file system. */
export type Source = "files" | "queues" | "schedules";

/** What can stand where somebody types. */
export interface Expected {
  /** What is typed of it already; the words begin with it. */
  readonly typed: string;
  /** What is before it in the same word, as `--queue=` is. */
  readonly prefix: string;
  readonly words: readonly Word[];
  /** Where more comes from. Undefined: from nowhere. */
  readonly source: Source | undefined;
  /** The options that stand before, by the names that commander gives them, as they are typed. */
  readonly given: Readonly<Record<string, string>>;
  /** Whether it is an argument of the command and no value of an option. */
  readonly isArgument: boolean;
}

/** What the values are that help shows as `<queue>`: it is what tells completion what they are. */
const SOURCES: Readonly<Record<string, Source>> = {
  file: "files",
  folder: "files",
  module: "files",
  queue: "queues",
  queues: "queues",
  schedule: "schedules",
};

const HELP: Word = { word: "--help", about: "the help" };

/** Finds out what can stand in the last of these words, which follow the name of the program. `load` makes a command known. */
export async function expectedAt(
  program: Command,
  words: readonly string[],
  load: (command: Command) => Promise<void>,
): Promise<Expected> {
  let command = program;
  let position = 0;
  let pending: Option | undefined;
  let hasOptions = true;
  const given: Record<string, string> = {};
  for (const word of words.slice(0, -1)) {
    if (pending !== undefined) {
      given[pending.attributeName()] = word;
      pending = undefined;
    } else if (hasOptions && word === "--") hasOptions = false;
    else if (hasOptions && isOption(word)) {
      const { option, value } = optionOf(command, word);
      if (option === undefined || !option.required) continue;
      if (value === undefined) pending = option;
      else given[option.attributeName()] = value;
    } else {
      const sub = position === 0 ? command.commands.find((each) => each.name() === word) : undefined;
      if (sub === undefined) position++;
      else {
        await load(sub);
        command = sub;
      }
    }
  }
  const typed = words.at(-1) ?? "";
  if (pending !== undefined) return { ...expectedValue(pending, typed), given };
  if (hasOptions && typed.startsWith("--") && typed.includes("=")) {
    const { option, name, value = "" } = optionOf(command, typed);
    const found = option === undefined ? nothing(value) : expectedValue(option, value);
    return { ...found, prefix: `${name}=${found.prefix}`, given };
  }
  if (hasOptions && typed.startsWith("-")) return { ...nothing(typed), words: optionWords(command), given };
  const argument = command.registeredArguments[position] ?? lastOf(command);
  const found = argument === undefined ? nothing(typed) : argumentOf(argument, typed);
  const below = position > 0 ? [] : visible(command).map((each) => ({ word: each.name(), about: each.description() }));
  // Where nothing else must follow, options may.
  const others = hasOptions && typed === "" && argument?.required !== true ? optionWords(command) : [];
  const isKnown = below.length > 0 || found.words.length > 0 || found.source !== undefined;
  return { ...found, words: [...below, ...found.words, ...(isKnown ? [] : others)], given, isArgument: true };
}

function isOption(word: string): boolean {
  return word.startsWith("-") && word !== "-";
}

/** The option that a word names, and what follows it in the same word after a `=`. Those of a program may stand behind its commands. */
function optionOf(command: Command, word: string) {
  const [, name = word, value] = /^(--[^=]*)=(.*)$/s.exec(word) ?? [];
  let option: Option | undefined;
  for (let at: Command | null = command; at !== null && option === undefined; at = at.parent) {
    option = at.options.find(({ long, short }) => name === long || name === short);
  }
  return { option, name, value };
}

function lastOf({ registeredArguments }: Command): Argument | undefined {
  const last = registeredArguments.at(-1);
  return last?.variadic === true ? last : undefined;
}

function visible(command: Command): readonly Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== "help");
}

function optionWords(command: Command): readonly Word[] {
  const words = command.options.flatMap(({ long, description, hidden }) =>
    long && !hidden ? [{ word: long, about: description }] : [],
  );
  return [...words, HELP];
}

type Found = Omit<Expected, "given">;

function nothing(typed: string): Found {
  return { typed, prefix: "", words: [], source: undefined, isArgument: false };
}

/** The value of an option; of several that are parted by commas, the last. */
function expectedValue({ flags, parseArg, argChoices }: Option, typed: string): Found {
  const words = argChoices ?? (parseArg as { readonly words?: readonly string[] } | undefined)?.words ?? [];
  const source = SOURCES[/<(.+)>/.exec(flags)?.[1] ?? ""];
  const at = source === "files" ? 0 : typed.lastIndexOf(",") + 1;
  const last = typed.slice(at);
  return {
    ...nothing(last),
    prefix: typed.slice(0, at),
    words: inCaseOf(last, words).map((word) => ({ word, about: "" })),
    source,
  };
}

/** Words that may be typed in any case, in the one that was begun with. */
function inCaseOf(typed: string, words: readonly string[]): readonly string[] {
  return /[a-z]/.test(typed) ? words.map((word) => word.toLowerCase()) : words;
}

function argumentOf(argument: Argument, typed: string): Found {
  const found = nothing(typed);
  if (argument.argChoices !== undefined)
    return { ...found, words: argument.argChoices.map((word) => ({ word, about: "" })) };
  // A payload in a file.
  if (typed.startsWith("@")) return { ...found, typed: typed.slice(1), prefix: "@", source: "files" };
  return { ...found, source: SOURCES[argument.name()] };
}
