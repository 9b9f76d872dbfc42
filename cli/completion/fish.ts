// SPDX-License-Identifier: Apache-2.0
/** The completion script for fish, with a description beside each word. */
import type { CommandWords, OptionWords } from "./command-words.ts";

export function fishCompletion(commands: readonly CommandWords[]): string {
  const below = commands.filter(({ path }) => path !== "");
  return `# fish completion for muster; load it with: muster completion fish | source
function __muster_path
  set -l path ""
  for word in (commandline -opc)[2..-1]
    set -l next (string trim -- "$path $word")
    if contains -- "$next" ${below.map(({ path }) => quote(path)).join(" ")}
      set path "$next"
    end
  end
  echo -- "$path"
end
function __muster_at
  test (__muster_path) = "$argv[1]"
end
complete -c muster -e
${commands.flatMap(completions).join("\n")}
`;
}

function completions(command: CommandWords): string[] {
  const at = `complete -c muster -n ${quote(`__muster_at ${quote(command.path)}`)}`;
  const subcommands = command.subcommands.map(
    ({ name, summary }) => `${at} -f -a ${quote(name)} -d ${quote(summary)}`,
  );
  return [...subcommands, ...command.options.map((option) => `${at} ${optionText(option)}`)];
}

function optionText(option: OptionWords): string {
  const names = option.flags.map((flag) =>
    flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
  );
  const values =
    option.choices.length > 0
      ? ["-x", `-a ${quote(option.choices.join(" "))}`]
      : option.value === "file"
        ? ["-r", "-F"]
        : option.value === "text"
          ? ["-x"]
          : ["-f"];
  return [...names, ...values, `-d ${quote(option.description)}`].join(" ");
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
