// SPDX-License-Identifier: Apache-2.0
/** `muster get devices [ID] [-l SELECTOR]`. */
import type { Command } from "commander";
import { DeviceSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
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
import { printList } from "../../output/print.ts";
import { listItems } from "../../paging.ts";
import { checkSelectorOption } from "../../selector-option.ts";
import { showDevice } from "../../show-device.ts";
import type { Shell } from "../../shell.ts";
import { deviceColumns } from "../../views/devices.ts";

type Options = ConnectionOptions &
  OutputOptions & { readonly limit: number; readonly selector?: string };

export function declare(command: Command, shell: Shell): void {
  command
    .argument("[id]", "show this device in detail")
    .option("-l, --selector <selector>", "only devices that it selects");
  addLimitOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster get devices", "The first hundred devices"],
    ["muster get devices -l 'region = eu and label.ring = canary' --limit 0", "All that match"],
  ]);
  command.action(async (id: string | undefined, options: Options) => {
    if (options.selector !== undefined) checkSelectorOption(options.selector);
    const session = await openSession(shell, options);
    if (id === undefined) await list(shell, session, options);
    else await showDevice({ shell, session, id, format: options.output });
  });
}

async function list(shell: Shell, session: Session, options: Options): Promise<void> {
  const selector = options.selector ?? "";
  await printList({
    shell,
    format: options.output,
    columns: deviceColumns(shell.clock.wallMs()),
    data: (device) => toPlainData(DeviceSchema, device),
    items: listItems({
      shell,
      limit: options.limit,
      fetch: async (page) => {
        const request = { tenant: session.tenant, selector, ...page };
        const response = await session.client.listDevices(request, session.call);
        return { items: response.devices, nextPageToken: response.nextPageToken };
      },
    }),
  });
}
