// SPDX-License-Identifier: Apache-2.0
/** `muster get attempts ROLLOUT [--state STATE]`. */
import { Option, type Command } from "commander";
import { ATTEMPT_STATES } from "../../../domain/attempt.ts";
import { AttemptSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import {
  addConnectionOptions,
  addLimitOption,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { toPlainData } from "../../output/plain-data.ts";
import { printList } from "../../output/print.ts";
import { listItems } from "../../paging.ts";
import type { Shell } from "../../shell.ts";
import { ATTEMPT_COLUMNS } from "../../views/tables.ts";

type Options = ConnectionOptions &
  OutputOptions & { readonly limit: number; readonly state?: string };

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<rollout>", "name of the rollout")
    .addOption(new Option("--state <state>", "only attempts in it").choices(ATTEMPT_STATES));
  addLimitOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster get attempts shop-1.4 --state failed", "Which devices failed, and why"],
    ["muster get attempts shop-1.4 --limit 0 -o json", "Every device of the rollout"],
  ]);
  command.action(async (rollout: string, options: Options) => {
    const session = await openSession(shell, options);
    await printList({
      shell,
      format: options.output,
      columns: ATTEMPT_COLUMNS,
      data: (attempt) => toPlainData(AttemptSchema, attempt),
      items: listItems({
        shell,
        limit: options.limit,
        fetch: async (page) => {
          const request = { tenant: session.tenant, rollout, state: options.state ?? "", ...page };
          const response = await session.client.listAttempts(request, session.call);
          return { items: response.attempts, nextPageToken: response.nextPageToken };
        },
      }),
    });
  });
}
