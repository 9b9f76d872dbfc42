// SPDX-License-Identifier: Apache-2.0
/** `muster rollout watch NAME`. */
import type { Command } from "commander";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import {
  addConnectionOptions,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import type { Shell } from "../../shell.ts";
import { watchRollout } from "../../watch-rollout.ts";

export function declare(command: Command, shell: Shell): void {
  command.argument("<name>", "name of the rollout");
  addOutputOption(command);
  addConnectionOptions(command);
  command.addHelpText(
    "after",
    "\nExits 0 when the rollout succeeded, 1 when it ended in any other way.\n" +
      "With -o json each change is one line, with -o yaml one document.",
  );
  addExamples(command, [
    ["muster rollout watch shop-1.4", "Bars, rate and estimate until it ends"],
    [
      "muster rollout watch shop-1.4 -o json | jq -c .progress.byState",
      "Each change, for a script",
    ],
  ]);
  command.action(async (name: string, options: ConnectionOptions & OutputOptions) => {
    const session = await openSession(shell, options);
    await watchRollout({ shell, session, name, format: options.output, goal: "succeeded" });
  });
}
