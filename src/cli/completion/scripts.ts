import type { CommandWords, Word } from "./describe-commands.js";

/** The shells that can be completed. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** A shell that can be completed. */
export type Shell = (typeof SHELLS)[number];

/** Returns what a shell reads to complete commands and options. Words are ours alone: they need no quoting. */
export function completionScript(shell: Shell, commands: readonly CommandWords[]): string {
  if (shell === "fish") return fish(commands);
  return shell === "bash" ? bash(commands) : zsh(commands);
}

/** What both shells need: the words of the command so far, and what may follow. */
function cases(commands: readonly CommandWords[], write: (words: readonly Word[]) => string): string {
  return commands
    .map(({ path, commands: below, options }) => `    "${path}")\n${write([...below, ...options])}\n      ;;`)
    .join("\n");
}

/** Options that are followed by a value, which is no command. */
function valued(commands: readonly CommandWords[]): string {
  const options = commands.flatMap(({ options }) => options.filter(({ hasValue }) => hasValue));
  return [...new Set(options.map(({ word }) => word))].join("|");
}

function files(commands: readonly CommandWords[]): string {
  const options = commands.flatMap(({ options }) => options.filter(({ isFile }) => isFile));
  return [...new Set(options.map(({ word }) => word))].join("|");
}

/** Finds the command in words that may have options between. */
function finder(commands: readonly CommandWords[]): string {
  const paths = commands.map(({ path }) => `"${path}"`).filter((path) => path !== '""');
  return `  local route="" word skip=0
  for word in "\${before[@]}"; do
    if [[ $skip == 1 ]]; then skip=0; continue; fi
    case "$word" in
      ${valued(commands)}) skip=1; continue ;;
      -*) continue ;;
    esac
    case "\${route:+$route }$word" in
      ${paths.join("|")}) route="\${route:+$route }$word" ;;
    esac
  done`;
}

function bash(commands: readonly CommandWords[]): string {
  return `# bash completion for gotaskq
_gotaskq() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  local before=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
  case "$previous" in
    ${files(commands)}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    ${valued(commands)}) return ;;
  esac
${finder(commands)}
  case "$route" in
${cases(commands, (words) => `      words="${words.map(({ word }) => word).join(" ")}"`)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _gotaskq gotaskq
`;
}

function zsh(commands: readonly CommandWords[]): string {
  return `#compdef gotaskq
_gotaskq() {
  local previous="\${words[CURRENT-1]}"
  local -a before candidates
  before=("\${(@)words[2,CURRENT-1]}")
  case "$previous" in
    ${files(commands)}) _files; return ;;
    ${valued(commands)}) return ;;
  esac
${finder(commands)}
  case "$route" in
${cases(commands, (words) => `      candidates=(${words.map(({ word, about }) => single(`${word}:${about}`)).join(" ")})`)}
  esac
  _describe 'gotaskq' candidates || _files
}
compdef _gotaskq gotaskq
`;
}

function fish(commands: readonly CommandWords[]): string {
  const lines = ["# fish completion for gotaskq", "complete -c gotaskq -f"];
  for (const { path, commands: below, options } of commands) {
    const names = path.split(" ").filter((name) => name !== "");
    const seen = names.map((name) => `__fish_seen_subcommand_from ${name}`);
    const none =
      below.length === 0 ? [] : [`not __fish_seen_subcommand_from ${below.map(({ word }) => word).join(" ")}`];
    const when = [...seen, ...none].join("; and ");
    const condition = when === "" ? "" : ` -n ${single(when)}`;
    for (const { word, about } of below) lines.push(`complete -c gotaskq${condition} -a ${word} -d ${single(about)}`);
    for (const { word, about, hasValue, isFile } of options) {
      const value = hasValue ? (isFile ? " -r -F" : " -x") : "";
      lines.push(`complete -c gotaskq${condition} -l ${word.slice(2)}${value} -d ${single(about)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** A text in single quotes, for all three shells. */
function single(text: string): string {
  return `'${text.replaceAll("\\", "").replaceAll("'", "’")}'`;
}
