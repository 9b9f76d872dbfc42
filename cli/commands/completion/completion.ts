// SPDX-License-Identifier: Apache-2.0
/** `muster completion bash|zsh|fish`. */
import { Argument, type Command } from "commander";
import { addExamples } from "../../command.ts";
import { bashCompletion } from "../../completion/bash.ts";
import { commandWords, type CommandWords } from "../../completion/command-words.ts";
import { fishCompletion } from "../../completion/fish.ts";
import { zshCompletion } from "../../completion/zsh.ts";
import { writeData, type Shell } from "../../shell.ts";

const GENERATORS: { readonly [shell: string]: (commands: readonly CommandWords[]) => string } = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

export function declare(command: Command, shell: Shell, loadAll: () => Promise<Command>): void {
  command.addArgument(new Argument("<shell>", "which shell").choices(Object.keys(GENERATORS)));
  addExamples(command, [
    ["source <(muster completion bash)", "In this bash"],
    ["muster completion zsh > ~/.zfunc/_muster", "For zsh, in a folder of $fpath"],
    ["muster completion fish > ~/.config/fish/completions/muster.fish", "For fish"],
  ]);
  command.action(async (name: string) => {
    await writeData(shell, GENERATORS[name]?.(commandWords(await loadAll())) ?? "");
  });
}
