// SPDX-License-Identifier: Apache-2.0
/** What may follow each command, read from commander's tree: the same tree that parses. */
import type { Command, Option } from "commander";

export interface OptionWords {
  /** `-o`, `--output`. */
  readonly flags: readonly string[];
  readonly description: string;
  /** The values allowed; [] = any. */
  readonly choices: readonly string[];
  readonly value: "none" | "file" | "text";
}

export interface CommandWords {
  /** "" for `muster` itself, else "rollout plan". */
  readonly path: string;
  readonly subcommands: readonly { readonly name: string; readonly summary: string }[];
  readonly options: readonly OptionWords[];
  /** Whether its argument is a file or folder. */
  readonly takesFile: boolean;
}

const FILE_ARGUMENTS: ReadonlySet<string> = new Set(["file", "bundle", "folder"]);

/** The command and all below it, parents first. */
export function commandWords(command: Command, path = ""): CommandWords[] {
  const help = command.createHelp();
  const subcommands = help.visibleCommands(command);
  const own: CommandWords = {
    path,
    subcommands: subcommands.map((child) => ({ name: child.name(), summary: child.summary() })),
    options: help.visibleOptions(command).map(optionWords),
    takesFile: command.registeredArguments.some((argument) => FILE_ARGUMENTS.has(argument.name())),
  };
  const below = subcommands.flatMap((child) =>
    commandWords(child, path === "" ? child.name() : `${path} ${child.name()}`),
  );
  return [own, ...below];
}

/** Every word that may be typed after the command: for a shell without descriptions. */
export function nextWords(words: CommandWords): string[] {
  return [
    ...words.subcommands.map(({ name }) => name),
    ...words.options.flatMap(({ flags }) => flags),
  ];
}

function optionWords(option: Option): OptionWords {
  const flags = [option.short, option.long].filter((flag) => flag !== undefined && flag !== null);
  const isFile = /<(?:file|folder)(?:\.\.\.)?>/.test(option.flags);
  return {
    flags,
    description: option.description,
    choices: option.argChoices ?? [],
    value: !option.required && !option.optional ? "none" : isFile ? "file" : "text",
  };
}
