// SPDX-License-Identifier: Apache-2.0
/** Reads a command line with the real tree of commands, and runs nothing. */
import { CommanderError, type Command } from "commander";
import type { CommandEntry } from "../../../cli/command.ts";
import { COMMANDS } from "../../../cli/command-table.ts";
import { loadCommandTree } from "../../../scripts/cli-reference.ts";

/**
 * What is wrong with the words after `muster`, as commander says it; null = nothing. `isWhole`
 * false forgives what is left out, not what is not there.
 */
export type ParseCommand = (words: readonly string[], isWhole: boolean) => Promise<string | null>;

/** What prose may leave out: `muster device enroll` without its id, `muster get` alone. */
const INCOMPLETE = new Set([
  "commander.missingArgument",
  "commander.missingMandatoryOptionValue",
  "commander.help",
]);

export async function createParser(): Promise<ParseCommand> {
  const program = await loadCommandTree();
  disarm(program, COMMANDS);
  return async (words, isWhole) => {
    try {
      await program.parseAsync([...words], { from: "user" });
      return null;
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (error.code === "commander.helpDisplayed") return null;
      return !isWhole && INCOMPLETE.has(error.code) ? null : error.message;
    }
  };
}

/** Every command that does something does nothing from now on. */
function disarm(parent: Command, entries: readonly CommandEntry[]): void {
  for (const { name, load, children } of entries) {
    const command = parent.commands.find((candidate) => candidate.name() === name);
    if (command === undefined) throw new Error(`assertion failed: ${name} is in the tree`);
    if (load !== undefined) command.action(() => {});
    disarm(command, children ?? []);
  }
}
