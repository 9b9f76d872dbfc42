// SPDX-License-Identifier: Apache-2.0
/** `muster get rollouts [NAME]`. */
import type { Command } from "commander";
import { RolloutSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { openSession, type Session } from "../../client.ts";
import { addExamples } from "../../command.ts";
import {
  addConnectionOptions,
  addLimitOption,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { toPlainData } from "../../output/plain-data.ts";
import { printList, printObject } from "../../output/print.ts";
import { listItems } from "../../paging.ts";
import type { Shell } from "../../shell.ts";
import { required } from "../../required.ts";
import { ROLLOUT_COLUMNS, rolloutLines } from "../../views/rollouts.ts";

type Options = ConnectionOptions & OutputOptions & { readonly limit: number };

export function declare(command: Command, shell: Shell): void {
  command.argument("[name]", "show this rollout in detail");
  addLimitOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster get rollouts", "All rollouts, by name"],
    [
      "muster get rollouts shop-1.4 -o json",
      "One rollout with its plan and progress, for a script",
    ],
  ]);
  command.action(async (name: string | undefined, options: Options) => {
    const session = await openSession(shell, options);
    if (name === undefined) await list(shell, session, options);
    else await show(shell, session, name, options);
  });
}

async function list(shell: Shell, session: Session, options: Options): Promise<void> {
  await printList({
    shell,
    format: options.output,
    columns: ROLLOUT_COLUMNS,
    data: (rollout) => toPlainData(RolloutSchema, rollout),
    items: listItems({
      shell,
      limit: options.limit,
      fetch: async (page) => {
        const request = { tenant: session.tenant, ...page };
        const response = await session.client.listRollouts(request, session.call);
        return { items: response.rollouts, nextPageToken: response.nextPageToken };
      },
    }),
  });
}

async function show(shell: Shell, session: Session, name: string, options: Options): Promise<void> {
  const response = await session.client.getRollout({ tenant: session.tenant, name }, session.call);
  const rollout = required(response.rollout, "rollout");
  await printObject({
    shell,
    format: options.output,
    data: toPlainData(RolloutSchema, rollout),
    human: () => rolloutLines(rollout),
  });
}
