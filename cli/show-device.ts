// SPDX-License-Identifier: Apache-2.0
/** One device in detail: `muster device get` and `muster get devices ID`. */
import { DeviceSchema } from "../protocol/gen/muster/v1/deploy_pb.ts";
import type { Session } from "./client.ts";
import type { OutputFormat } from "./output/format.ts";
import { toPlainData } from "./output/plain-data.ts";
import { printObject } from "./output/print.ts";
import { required } from "./required.ts";
import type { Shell } from "./shell.ts";
import { deviceLines } from "./views/devices.ts";

export async function showDevice(options: {
  shell: Shell;
  session: Session;
  id: string;
  format: OutputFormat;
}): Promise<void> {
  const { shell, session, id, format } = options;
  const response = await session.client.getDevice({ tenant: session.tenant, id }, session.call);
  const device = required(response.device, "device");
  await printObject({
    shell,
    format,
    data: toPlainData(DeviceSchema, device),
    human: () => deviceLines(device),
  });
}
