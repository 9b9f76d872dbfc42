// SPDX-License-Identifier: Apache-2.0
/** `muster rollout start NAME [--plan-digest DIGEST] [--wait]`. */
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
import { printRollout, rolloutSentence } from "../../rollout-change.ts";
import { note, type Shell } from "../../shell.ts";
import { watchRollout } from "../../watch-rollout.ts";

type Options = ConnectionOptions &
  OutputOptions &
  ReasonOptions & { readonly planDigest?: string; readonly wait?: boolean };

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<name>", "name of the rollout")
    .option("--plan-digest <digest>", "start only if this is the frozen plan")
    .option("--wait", "follow it until it ends; exit 0 if it succeeded, else 1");
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster rollout start shop-1.4", "Start the plan that is frozen"],
    ["muster rollout start shop-1.4 --plan-digest 4f0c… --wait", "Start what was reviewed; wait"],
  ]);
  command.action(async (name: string, options: Options) => {
    const session = await openSession(shell, options);
    const response = await session.client.startRollout(
      {
        mutation: session.mutation(options.reason),
        tenant: session.tenant,
        name,
        planDigest: options.planDigest ?? "",
      },
      session.call,
    );
    const rollout = required(response.rollout, "rollout");
    if (options.wait !== true) {
      await printRollout(shell, rollout, options.output);
      return;
    }
    note(shell, rolloutSentence(rollout));
    await watchRollout({ shell, session, name, format: options.output, goal: "succeeded" });
  });
}
