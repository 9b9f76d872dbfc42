// SPDX-License-Identifier: Apache-2.0
/** The operator tokens: `muster token list` and `muster get tokens`. */
import type { Command } from "commander";
import { OperatorTokenSchema } from "../protocol/gen/muster/v1/deploy_pb.ts";
import { openSession } from "./client.ts";
import { addExamples } from "./command.ts";
import {
  addConnectionOptions,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "./options.ts";
import { toPlainData } from "./output/plain-data.ts";
import { printList } from "./output/print.ts";
import type { Shell } from "./shell.ts";
import { TOKEN_COLUMNS } from "./views/tables.ts";

/** Declares the command under the name that it is called by. */
export function declareListTokens(command: Command, shell: Shell, called: string): void {
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [[called, "Who may do what, and until when"]]);
  command.action(async (options: ConnectionOptions & OutputOptions) => {
    const session = await openSession(shell, options);
    const { tokens } = await session.client.listTokens({}, session.call);
    await printList({
      shell,
      format: options.output,
      columns: TOKEN_COLUMNS,
      data: (token) => toPlainData(OperatorTokenSchema, token),
      items: tokens,
    });
  });
}
