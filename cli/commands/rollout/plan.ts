// SPDX-License-Identifier: Apache-2.0
/** `muster rollout plan NAME [--diff [OTHER]]`: freezes the plan and prints it for review. */
import type { Command } from "commander";
import {
  ComparePlansResponseSchema,
  RolloutSchema,
} from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { openSession, type Session } from "../../client.ts";
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
import { planDiffLines } from "../../views/plan-diff.ts";
import { planLines } from "../../views/plan.ts";

type Options = ConnectionOptions &
  OutputOptions &
  ReasonOptions & { readonly diff?: string | true };

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<name>", "name of the rollout")
    .option(
      "--diff [other]",
      "show what differs from the plan of that rollout; of none: from the newest before it, " +
        "for releases of the same name",
    );
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster rollout plan shop-1.4", "Exactly which devices, in which waves, who is left out"],
    ["muster rollout plan shop-1.4 -o json | jq -r .plan.digest", "Its digest, for the start"],
    ["muster rollout plan shop-1.4 --diff", "What differs from the plan before it"],
  ]);
  command.action(async (name: string, options: Options) => {
    const session = await openSession(shell, options);
    const response = await session.client.planRollout(
      { mutation: session.mutation(options.reason), tenant: session.tenant, name },
      session.call,
    );
    const rollout = required(response.rollout, "rollout");
    const plan = required(rollout.plan, "plan");
    if (options.diff !== undefined) {
      await printDiff(shell, session, name, options);
      return;
    }
    await printObject({
      shell,
      format: options.output,
      data: toPlainData(RolloutSchema, rollout),
      human: () => planLines(rollout, plan, terminalWidth(shell.stdout)),
    });
  });
}

async function printDiff(
  shell: Shell,
  session: Session,
  name: string,
  options: Options,
): Promise<void> {
  const other = typeof options.diff === "string" ? options.diff : "";
  const comparison = await session.client.comparePlans(
    { tenant: session.tenant, name, other },
    session.call,
  );
  await printObject({
    shell,
    format: options.output,
    data: toPlainData(ComparePlansResponseSchema, comparison),
    human: () => planDiffLines(comparison, terminalWidth(shell.stdout)),
  });
}
