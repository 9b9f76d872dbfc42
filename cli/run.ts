// SPDX-License-Identifier: Apache-2.0
/** One command line from words to exit status: 0 done, 1 failed, 2 bad usage. */
import { isMusterError } from "../domain/errors.ts";
import { printError } from "./print-error.ts";
import { buildProgram, commandPath, isUsageOutcome, normalizeHelp } from "./program.ts";
import type { Shell } from "./shell.ts";

/** Runs `words` (the command line after `muster`). Prints what went wrong; never throws. */
export async function runCommandLine(options: {
  words: readonly string[];
  /** The exit status that the command asked for through its shell. */
  requestedStatus: () => 0 | 1 | 2;
  shell: Shell;
}): Promise<number> {
  const { shell } = options;
  const words = normalizeHelp(options.words.length === 0 ? ["--help"] : options.words);
  try {
    const program = await buildProgram({ shell, path: commandPath(words) });
    await program.parseAsync(words, { from: "user" });
    return options.requestedStatus();
  } catch (error) {
    // Help and version are outcomes too; every other one of commander's is bad usage.
    if (isUsageOutcome(error)) return error.exitCode === 0 ? 0 : 2;
    const interrupted = shell.interrupt.signal.aborted;
    if (interrupted && isMusterError(error) && error.code === "cancelled") return 1;
    if (interrupted && error === shell.interrupt.signal.reason) return 1;
    return printError(shell, error);
  }
}
