/** The shells that can be completed. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** A shell that can be completed. */
export type Shell = (typeof SHELLS)[number];

/**
 * Returns what a shell reads to complete commands. It asks `gotaskq complete` at each key, so it is the same for every version of the
 * command. That answers a first line, `words` or `files`, with what is before a file in the same word; and then the words, each with what
 * it is for after a tab.
 */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}

// bash 3, of which macOS has the last, has neither mapfile nor compopt. bash takes a word apart at `=`, `:` and `@`, and puts what is
// answered in place of the last part alone.
const BASH = `# bash completion for gotaskq
_gotaskq() {
  local line="\${COMP_LINE:0:COMP_POINT}" part="\${COMP_WORDS[COMP_CWORD]}" kind="" prefix="" before="" word about
  local program="\${COMP_WORDS[0]/#\\~/$HOME}"
  COMPREPLY=()
  case "$part" in "="|":"|"@") part="" ;; esac
  case "$line" in *"$part") before="\${line##*[[:space:]]}"; before="\${before%"$part"}" ;; esac
  while IFS=$'\\t' read -r word about; do
    if [[ -z $kind ]]; then kind="$word" prefix="$about"; else COMPREPLY+=("\${word#"$before"}"); fi
  done < <("$program" complete --line "$line" 2>/dev/null)
  if [[ $kind == words ]]; then compopt +o default 2>/dev/null; fi
  if [[ $kind == files && $prefix == @ ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r word; do COMPREPLY+=("@$word"); done < <(compgen -f -- "\${line##*@}")
  fi
}
complete -o default -F _gotaskq gotaskq
`;

const ZSH = `#compdef gotaskq
_gotaskq() {
  local -a answer candidates
  local program=\${(Q)words[1]/#\\~/$HOME} entry word about
  answer=("\${(@f)$("$program" complete -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  case "\${answer[1]}" in
    words)
      for entry in "\${(@)answer[2,-1]}"; do
        word="\${entry%%$'\\t'*}" about=""
        if [[ $entry == *$'\\t'* ]]; then about="\${entry#*$'\\t'}"; fi
        candidates+=("\${word//:/\\\\:}\${about:+:$about}")
      done
      _describe gotaskq candidates
      ;;
    files*)
      word="\${answer[1]#*$'\\t'}"
      compset -p \${#word}
      _files
      ;;
  esac
}
if [[ $funcstack[1] == _gotaskq ]]; then
  _gotaskq "$@"
elif (( $+functions[compdef] )); then
  compdef _gotaskq gotaskq
else
  print -u2 'gotaskq: completion of zsh begins with: autoload -Uz compinit && compinit'
fi
`;

const FISH = `# fish completion for gotaskq
function __gotaskq_complete
    set -l before (commandline -opc)
    set -l typed (commandline -ct)
    set -l program (string replace -r '^~' -- $HOME $before[1])
    set -l answer ($program complete -- $before[2..-1] "$typed" 2>/dev/null)
    set -l kind (string split \\t -- $answer[1])
    if test "$kind[1]" = files
        for path in (__fish_complete_path (string sub -s (math (string length -- "$kind[2]") + 1) -- "$typed"))
            echo -- "$kind[2]$path"
        end
    else if test (count $answer) -gt 1
        printf '%s\\n' $answer[2..-1]
    end
end
complete -c gotaskq -e
complete -c gotaskq -f -a '(__gotaskq_complete)'
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
