// SPDX-License-Identifier: Apache-2.0
/** `muster rollout plan NAME`: freezes the plan and prints it for review. */
import type { Command } from "commander";
import { RolloutSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
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
import { toPlainData } from "../../output/plain-data.ts";
import { printObject, terminalWidth } from "../../output/print.ts";
import { required } from "../../required.ts";
import type { Shell } from "../../shell.ts";
import { planLines } from "../../views/plan.ts";

type Options = ConnectionOptions & OutputOptions & ReasonOptions;

export function declare(command: Command, shell: Shell): void {
  command.argument("<name>", "name of the rollout");
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster rollout plan shop-1.4", "Exactly which devices, in which waves, who is left out"],
    ["muster rollout plan shop-1.4 -o json | jq -r .plan.digest", "Its digest, for the start"],
  ]);
  command.action(async (name: string, options: Options) => {
    const session = await openSession(shell, options);
    const response = await session.client.planRollout(
      { mutation: session.mutation(options.reason), tenant: session.tenant, name },
      session.call,
    );
    const rollout = required(response.rollout, "rollout");
    const plan = required(rollout.plan, "plan");
    await printObject({
      shell,
      format: options.output,
      data: toPlainData(RolloutSchema, rollout),
      human: () => planLines(rollout, plan, terminalWidth(shell.stdout)),
    });
  });
}
