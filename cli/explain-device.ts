// SPDX-License-Identifier: Apache-2.0
/** Why a device is not moving: `muster device explain` and `muster rollout explain --device`. */
import { ExplainDeviceResponseSchema } from "../protocol/gen/muster/v1/deploy_pb.ts";
import type { Session } from "./client.ts";
import type { OutputFormat } from "./output/format.ts";
import { toPlainData } from "./output/plain-data.ts";
import { printObject } from "./output/print.ts";
import type { Shell } from "./shell.ts";

/** `rollout` "" = the newest open one that has the device. */
export async function explainDevice(options: {
  shell: Shell;
  session: Session;
  id: string;
  rollout: string;
  format: OutputFormat;
}): Promise<void> {
  const { shell, session, id, rollout, format } = options;
  const request = { tenant: session.tenant, id, rollout };
  const response = await session.client.explainDevice(request, session.call);
  await printObject({
    shell,
    format,
    data: toPlainData(ExplainDeviceResponseSchema, response),
    human: () => [response.sentence, ...response.facts.map((fact) => `  ${fact}`)],
  });
}
