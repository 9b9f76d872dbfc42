// SPDX-License-Identifier: Apache-2.0
/**
 * The tree of commands as commander sees it. Only the commands on the way to the one that is called
 * are loaded; the others have their name and summary, which is all that help and did-you-mean need.
 */
import { Command, CommanderError } from "commander";
import type { CommandEntry } from "./command.ts";
import { COMMANDS } from "./command-table.ts";
import type { Shell } from "./shell.ts";

const DESCRIPTION =
  "Deploys software, firmware and configuration to fleets of devices, in waves, " +
  "and stops a bad release early.";

const TOP_EXAMPLES = `
Examples:
  # See it work on this machine
  $ muster demo
  # Roll a release out
  $ muster apply -f rollout.yaml
  $ muster rollout plan shop-1.4
  $ muster rollout start shop-1.4 --wait

Data goes to standard output, everything else to standard error.
Exit status: 0 done, 1 failed, 2 bad usage.`;

/**
 * Builds the tree. `path` is the command line without options, as far as it names commands; "all"
 * loads every command (completion, reference page).
 */
export async function buildProgram(options: {
  shell: Shell;
  path: readonly string[] | "all";
}): Promise<Command> {
  const { shell, path } = options;
  const program = new Command("muster").description(DESCRIPTION).addHelpText("after", TOP_EXAMPLES);
  prepare(program, shell);
  for (const entry of COMMANDS) await addCommand({ parent: program, entry, shell, path });
  return program;
}

/** The words of a command line that name commands, from the front. */
export function commandPath(words: readonly string[]): string[] {
  const path: string[] = [];
  let entries = COMMANDS;
  for (const word of words) {
    const entry = entries.find(({ name }) => name === word);
    if (entry === undefined) break;
    path.push(word);
    entries = entry.children ?? [];
  }
  return path;
}

/** `help a b` is `a b --help`, at every depth. */
export function normalizeHelp(words: readonly string[]): readonly string[] {
  return words[0] === "help" ? [...words.slice(1), "--help"] : words;
}

async function addCommand(options: {
  parent: Command;
  entry: CommandEntry;
  shell: Shell;
  path: readonly string[] | "all";
}): Promise<void> {
  const { parent, entry, shell, path } = options;
  const command = new Command(entry.name).summary(entry.summary).description(`${entry.summary}.`);
  prepare(command, shell);
  parent.addCommand(command);
  const called = path === "all" || path[0] === entry.name;
  if (!called) return;
  if (entry.load !== undefined) {
    const loadAll = (): Promise<Command> => buildProgram({ shell, path: "all" });
    (await entry.load()).declare(command, shell, loadAll);
  } else addGroupHelp(command, entry);
  const rest = path === "all" ? path : path.slice(1);
  for (const child of entry.children ?? []) {
    await addCommand({ parent: command, entry: child, shell, path: rest });
  }
}

/** Errors and help go through the shell, and commander never ends the process. */
function prepare(command: Command, shell: Shell): void {
  command
    .exitOverride()
    // Else `gateway` would take the --host of `gateway enroll --host NAME` for its own.
    .enablePositionalOptions()
    .helpCommand(false)
    .helpOption("-h, --help", "show this help")
    .configureHelp({ showGlobalOptions: false, subcommandTerm: (child) => child.name() })
    .configureOutput({
      writeOut: (text) => void shell.stdout.write(text),
      writeErr: (text) => void shell.stderr.write(text),
      getOutHelpWidth: () => shell.stdout.columns ?? 100,
      getErrHelpWidth: () => shell.stderr.columns ?? 100,
      outputError: (text, write) => write(usageError(text, command)),
    });
}

function addGroupHelp(command: Command, entry: CommandEntry): void {
  const [first] = entry.children ?? [];
  if (first === undefined) return;
  const called = `muster ${entry.name} ${first.name}`;
  command.addHelpText(
    "after",
    `\nExamples:\n  # Arguments, options and examples of one of them\n  $ ${called} --help`,
  );
}

/** "error: unknown option '--x'\n(Did you mean --y?)" as one line of ours, and where to look. */
function usageError(text: string, command: Command): string {
  const [problem = "", ...more] = text
    .replace(/^error: /, "")
    .trimEnd()
    .split("\n");
  const sentence = [problem, ...more].map((line) => line.trim()).join(" ");
  return `muster: ${sentence}\n  → see: ${fullName(command)} --help\n`;
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

/** Whether a failure is commander's way of saying that it has said everything already. */
export function isUsageOutcome(error: unknown): error is CommanderError {
  return error instanceof CommanderError;
}
