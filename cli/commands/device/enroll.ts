// SPDX-License-Identifier: Apache-2.0
/** `muster device enroll ID`: registers the device if facts about it are given; makes its token. */
import type { Command } from "commander";
import { checkDeviceId } from "../../../domain/identity.ts";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import { putToken } from "../../enrolment-output.ts";
import {
  addConnectionOptions,
  addOutputOption,
  addReasonOption,
  collectPairs,
  durationOption,
  type ConnectionOptions,
  type OutputOptions,
  type ReasonOptions,
} from "../../options.ts";
import { required } from "../../required.ts";
import type { Shell } from "../../shell.ts";

interface Options extends ConnectionOptions, OutputOptions, ReasonOptions {
  readonly region?: string;
  readonly site?: string;
  readonly label?: { readonly [name: string]: string };
  readonly serviceLevel?: string;
  readonly critical?: boolean;
  /** Milliseconds. */
  readonly lifetime: number;
  readonly out?: string;
}

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<id>", "id of the device")
    .option("--region <name>", "register it first, in this region")
    .option("--site <name>", "where it stands")
    .option("--label <name=value>", "a label; may be given more than once", collectPairs)
    .option("--service-level <name>", "its service level")
    .option("--critical", "it is critical: its heartbeat is never slowed down")
    .addOption(durationOption("--lifetime <duration>", "how long the token is good", "24h"))
    .option("--out <file>", "write the token to this new file, mode 600");
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster device enroll till-0042 --region eu --out till-0042.token", "A new device"],
    ["muster device enroll till-0042", "A new token for one that is registered"],
  ]);
  command.action(async (id: string, options: Options) => {
    checkDeviceId(id, "<id>");
    const session = await openSession(shell, options);
    const { client, tenant, call } = session;
    const device = registration(id, options);
    if (device !== null) {
      const mutation = session.mutation(options.reason);
      await client.registerDevices({ mutation, tenant, devices: [device] }, call);
    }
    const { tokens } = await client.enrolDevices(
      {
        mutation: session.mutation(options.reason),
        tenant,
        devices: [id],
        lifetimeMs: BigInt(options.lifetime),
      },
      call,
    );
    await putToken({
      shell,
      format: options.output,
      subject: { device: id },
      worth: "it works once",
      token: required(tokens[0], "token"),
      out: options.out,
    });
  });
}

/** null when no fact is given: the device must be registered already. */
function registration(
  id: string,
  options: Options,
): {
  id: string;
  region: string;
  site: string;
  labels: { [name: string]: string };
  serviceLevel: string;
  critical: boolean;
} | null {
  const { region, site, label, serviceLevel, critical } = options;
  const facts = [region, site, label, serviceLevel, critical];
  if (facts.every((fact) => fact === undefined)) return null;
  return {
    id,
    region: region ?? "",
    site: site ?? "",
    labels: { ...label },
    serviceLevel: serviceLevel ?? "",
    critical: critical ?? false,
  };
}
