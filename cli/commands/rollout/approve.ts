// SPDX-License-Identifier: Apache-2.0
/** `muster rollout approve NAME [--plan-digest DIGEST] [--reject]`: the second pair of eyes. */
import type { Command } from "commander";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import {
  addConnectionOptions,
  addOutputOption,
  addReasonOption,
  type ConnectionOptions,
  type OutputOptions,
  type ReasonOptions,
} from "../../options.ts";
import { required } from "../../required.ts";
import { printRollout } from "../../rollout-change.ts";
import type { Shell } from "../../shell.ts";

type Options = ConnectionOptions &
  OutputOptions &
  ReasonOptions & { readonly planDigest?: string; readonly reject?: boolean };

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<name>", "name of the rollout")
    .option("--plan-digest <digest>", "approve only if this is the frozen plan")
    .option("--reject", "refuse it: the rollout ends as stopped");
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster rollout approve shop-1.4 --plan-digest 4f0c…", "Approve what you have reviewed"],
    ['muster rollout approve shop-1.4 --reject --reason "not in December"', "Refuse it for good"],
  ]);
  command.action(async (name: string, options: Options) => {
    const session = await openSession(shell, options);
    const response = await session.client.approveRollout(
      {
        mutation: session.mutation(options.reason),
        tenant: session.tenant,
        name,
        planDigest: options.planDigest ?? "",
        reject: options.reject === true,
      },
      session.call,
    );
    await printRollout(shell, required(response.rollout, "rollout"), options.output);
  });
}
