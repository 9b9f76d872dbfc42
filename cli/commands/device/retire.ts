// SPDX-License-Identifier: Apache-2.0
/** `muster device retire ID`. */
import type { Command } from "commander";
import { DeviceSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
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
  command.argument("<id>", "id of the device");
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ['muster device retire till-0042 --reason "sold"', "It is refused from now on"],
  ]);
  command.action(async (id: string, options: Options) => {
    const session = await openSession(shell, options);
    const response = await session.client.retireDevice(
      { mutation: session.mutation(options.reason), tenant: session.tenant, id },
      session.call,
    );
    const device = required(response.device, "device");
    await printObject({
      shell,
      format: options.output,
      data: toPlainData(DeviceSchema, device),
      human: () => [`device ${device.id} is retired`],
    });
  });
}
