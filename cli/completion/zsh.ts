// SPDX-License-Identifier: Apache-2.0
/** The completion script for zsh, with a description beside each word. */
import type { CommandWords } from "./command-words.ts";

export function zshCompletion(commands: readonly CommandWords[]): string {
  const below = commands.filter(({ path }) => path !== "");
  return `#compdef muster
# zsh completion for muster; put it into a folder of $fpath as _muster,
# or load it with: source <(muster completion zsh)
_muster() {
  local current_path="" word i
  local -a subcommands options
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    case "\${current_path:+$current_path }$word" in
      ${below.map(({ path }) => quote(path)).join("|")})
        current_path="\${current_path:+$current_path }$word" ;;
    esac
  done
  case "$current_path:\${words[CURRENT-1]}" in
${commands.flatMap(valueCases).join("\n")}
  esac
  case "$current_path" in
${commands.map(wordCase).join("\n")}
  esac
  (( \${#subcommands} )) && _describe -t commands command subcommands
  [[ "$PREFIX" == -* ]] && _describe -t options option options
  (( \${#subcommands} )) || _files
}
if [[ "$funcstack[1]" == _muster ]]; then _muster "$@"; else compdef _muster muster; fi
`;
}

function valueCases(command: CommandWords): string[] {
  return command.options
    .filter(({ value }) => value !== "none")
    .map((option) => {
      const patterns = option.flags.map((flag) => quote(`${command.path}:${flag}`)).join("|");
      const offer =
        option.choices.length > 0
          ? `compadd -- ${option.choices.map(quote).join(" ")}`
          : option.value === "file"
            ? "_files"
            : "_message value";
      return `    ${patterns}) ${offer}; return ;;`;
    });
}

function wordCase(command: CommandWords): string {
  const subcommands = command.subcommands.map(({ name, summary }) => described(name, summary));
  const options = command.options.flatMap(({ flags, description }) =>
    flags.map((flag) => described(flag, description)),
  );
  return (
    `    ${quote(command.path)}) subcommands=(${subcommands.join(" ")}); ` +
    `options=(${options.join(" ")}) ;;`
  );
}

/** \`name:description\`; a colon in the name would end it. */
function described(name: string, description: string): string {
  return quote(`${name.replaceAll(":", "\\:")}:${description}`);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
