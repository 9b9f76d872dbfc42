// SPDX-License-Identifier: Apache-2.0
/** `muster device get ID`. */
import type { Command } from "commander";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import {
  addConnectionOptions,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { showDevice } from "../../show-device.ts";
import type { Shell } from "../../shell.ts";

export function declare(command: Command, shell: Shell): void {
  command.argument("<id>", "id of the device");
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster device get till-0042", "Presence, labels, what it runs and what it reports"],
  ]);
  command.action(async (id: string, options: ConnectionOptions & OutputOptions) => {
    const session = await openSession(shell, options);
    await showDevice({ shell, session, id, format: options.output });
  });
}
