// SPDX-License-Identifier: Apache-2.0
/**
 * The form of a command. The table of commands (command-table.ts) knows every name and summary; the
 * file of a command is loaded only when that command runs or its help is wanted, and declares its
 * arguments, options, examples and action there.
 */
import type { Command } from "commander";
import type { Shell } from "./shell.ts";

/**
 * Adds arguments, options, examples and the action to a command that has its name already.
 * `loadAll` gives the tree with every command loaded, for those that write about all of them.
 */
export type DeclareCommand = (
  command: Command,
  shell: Shell,
  loadAll: () => Promise<Command>,
) => void;

/** What the file of a command exports. */
export interface CommandModule {
  readonly declare: DeclareCommand;
}

export interface CommandEntry {
  readonly name: string;
  /** One line, no full stop: what the list of commands shows. */
  readonly summary: string;
  /** Absent for a group that does nothing by itself. */
  readonly load?: () => Promise<CommandModule>;
  readonly children?: readonly CommandEntry[];
}

/** A command line and what it does. */
export type Example = readonly [line: string, explanation: string];

/** Puts examples below a command's help. */
export function addExamples(command: Command, examples: readonly Example[]): void {
  const text = examples.map(([line, explanation]) => `  # ${explanation}\n  $ ${line}`).join("\n");
  command.addHelpText("after", `\nExamples:\n${text}`);
}
