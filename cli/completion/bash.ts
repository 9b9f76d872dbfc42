// SPDX-License-Identifier: Apache-2.0
/**
 * The completion script for bash (3.2 and later: that is what macOS has). Everything is in the
 * script: pressing Tab starts no Node process.
 */
import { nextWords, type CommandWords, type OptionWords } from "./command-words.ts";

export function bashCompletion(commands: readonly CommandWords[]): string {
  const below = commands.filter(({ path }) => path !== "");
  return `# bash completion for muster; load it with: source <(muster completion bash)
_muster() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path="" word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "\${path:+$path }$word" in
      ${below.map(({ path }) => `"${path}"`).join(" | ")})
        path="\${path:+$path }$word" ;;
    esac
  done
  case "$path:$prev" in
${commands.flatMap(valueCases).join("\n")}
  esac
  case "$path" in
${commands.map(wordCase).join("\n")}
  esac
}
complete -o default -F _muster muster
`;
}

/** The value of an option: its choices, files, or nothing that could be known. */
function valueCases(command: CommandWords): string[] {
  return command.options
    .filter(({ value }) => value !== "none")
    .map((option) => {
      const patterns = option.flags.map((flag) => `"${command.path}:${flag}"`).join(" | ");
      return `    ${patterns}) ${valueReply(option)}; return ;;`;
    });
}

function valueReply(option: OptionWords): string {
  if (option.choices.length > 0) return reply(option.choices);
  return option.value === "file" ? 'COMPREPLY=($(compgen -f -- "$cur"))' : ":";
}

function wordCase(command: CommandWords): string {
  const files = command.takesFile ? ' [[ "$cur" == -* ]] || COMPREPLY=();' : "";
  return `    "${command.path}") ${reply(nextWords(command))};${files} ;;`;
}

function reply(words: readonly string[]): string {
  return `COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$cur"))`;
}
