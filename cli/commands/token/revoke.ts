// SPDX-License-Identifier: Apache-2.0
/** `muster token revoke ID`. */
import type { Command } from "commander";
import { OperatorTokenSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
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
import type { Shell } from "../../shell.ts";

type Options = ConnectionOptions & OutputOptions & ReasonOptions;

export function declare(command: Command, shell: Shell): void {
  command.argument("<id>", "id of the token, as `muster token list` shows it");
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ['muster token revoke t-17 --reason "laptop lost"', "From now on refused"],
  ]);
  command.action(async (id: string, options: Options) => {
    const session = await openSession(shell, options);
    const request = { mutation: session.mutation(options.reason), id };
    const response = await session.client.revokeToken(request, session.call);
    const record = required(response.record, "token");
    await printObject({
      shell,
      format: options.output,
      data: toPlainData(OperatorTokenSchema, record),
      human: () => [`token ${record.id} (${record.name}) is revoked`],
    });
  });
}
