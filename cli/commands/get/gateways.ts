// SPDX-License-Identifier: Apache-2.0
/** `muster get gateways [ID]`. */
import type { Command } from "commander";
import { MusterError } from "../../../domain/errors.ts";
import { GatewaySchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import {
  addConnectionOptions,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { toPlainData } from "../../output/plain-data.ts";
import { printList } from "../../output/print.ts";
import type { Shell } from "../../shell.ts";
import { GATEWAY_COLUMNS } from "../../views/tables.ts";

export function declare(command: Command, shell: Shell): void {
  command.argument("[id]", "only this gateway");
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster get gateways", "Id, region, address, services and time of every gateway"],
    ["muster get gateways -o json", "The same for a script"],
  ]);
  command.action(async (id: string | undefined, options: ConnectionOptions & OutputOptions) => {
    const session = await openSession(shell, options);
    const response = await session.client.listGateways({}, session.call);
    const gateways = response.gateways.filter((gateway) => id === undefined || gateway.id === id);
    if (id !== undefined && gateways.length === 0) {
      throw new MusterError({
        code: "not_found",
        message: `there is no gateway ${id}`,
        detail: { hint: "see what there is: muster get gateways" },
      });
    }
    await printList({
      shell,
      format: options.output,
      columns: GATEWAY_COLUMNS,
      data: (gateway) => toPlainData(GatewaySchema, gateway),
      items: gateways,
    });
  });
}
