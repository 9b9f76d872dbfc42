// SPDX-License-Identifier: Apache-2.0
/** `muster rollout rollback NAME [--wait]`. */
import type { Command } from "commander";
import {
  RollbackRolloutResponseSchema,
  RolloutState,
  type RollbackRolloutResponse,
} from "../../../protocol/gen/muster/v1/deploy_pb.ts";
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
import { printObject } from "../../output/print.ts";
import { required } from "../../required.ts";
import { rolloutSentence } from "../../rollout-change.ts";
import type { Shell } from "../../shell.ts";
import { watchRollout } from "../../watch-rollout.ts";

type Options = ConnectionOptions & OutputOptions & ReasonOptions & { readonly wait?: boolean };

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<name>", "name of the rollout")
    .option("--wait", "follow it until every device is back; exit 0 then, else 1");
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster rollout rollback shop-1.4 --wait", "Each device back to what it ran before"],
  ]);
  command.action(async (name: string, options: Options) => {
    const session = await openSession(shell, options);
    const response = await session.client.rollbackRollout(
      { mutation: session.mutation(options.reason), tenant: session.tenant, name },
      session.call,
    );
    if (options.wait === true) {
      const goal = "rolled-back";
      await watchRollout({ shell, session, name, format: options.output, goal });
      return;
    }
    await printObject({
      shell,
      format: options.output,
      data: toPlainData(RollbackRolloutResponseSchema, response),
      human: () => [sentence(response)],
    });
  });
}

function sentence(response: RollbackRolloutResponse): string {
  const rollout = required(response.rollout, "rollout");
  const text = rolloutSentence(rollout);
  if (response.rollback !== undefined) {
    return `${text}; devices go back by rollout ${response.rollback.name}`;
  }
  const isStopping = rollout.state === RolloutState.STOPPING;
  return isStopping ? `${text}; devices go back as soon as it has stopped` : text;
}
