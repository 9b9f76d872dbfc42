// SPDX-License-Identifier: Apache-2.0
/** `muster version`. */
import type { Command } from "commander";
import { addExamples } from "../../command.ts";
import { addOutputOption, type OutputOptions } from "../../options.ts";
import { printObject } from "../../output/print.ts";
import type { Shell } from "../../shell.ts";
import { versionFacts } from "../../version-facts.ts";

export function declare(command: Command, shell: Shell): void {
  addOutputOption(command);
  addExamples(command, [["muster version -o json", "For a script or a bug report"]]);
  command.action(async (options: OutputOptions) => {
    const facts = versionFacts();
    await printObject({
      shell,
      format: options.output,
      data: { ...facts },
      human: () => [`muster ${facts.version} (node ${facts.node}, ${facts.platform})`],
    });
  });
}
