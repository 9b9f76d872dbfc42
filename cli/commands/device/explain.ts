// SPDX-License-Identifier: Apache-2.0
/** `muster device explain ID [--rollout NAME]`. */
import type { Command } from "commander";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import { explainDevice } from "../../explain-device.ts";
import {
  addConnectionOptions,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import type { Shell } from "../../shell.ts";

type Options = ConnectionOptions & OutputOptions & { readonly rollout?: string };

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<id>", "id of the device")
    .option("--rollout <name>", "in this rollout; else the newest open one that has it");
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster device explain till-0042", "One sentence, then the facts behind it"],
  ]);
  command.action(async (id: string, options: Options) => {
    const session = await openSession(shell, options);
    const { rollout = "", output } = options;
    await explainDevice({ shell, session, id, rollout, format: output });
  });
}
