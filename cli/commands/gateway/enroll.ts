// SPDX-License-Identifier: Apache-2.0
/** `muster gateway enroll ID --region REGION --host HOST`. */
import type { Command } from "commander";
import { checkName } from "../../../domain/identity.ts";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import { putToken } from "../../enrolment-output.ts";
import {
  addConnectionOptions,
  addOutputOption,
  addReasonOption,
  collect,
  durationOption,
  type ConnectionOptions,
  type OutputOptions,
  type ReasonOptions,
} from "../../options.ts";
import type { Shell } from "../../shell.ts";

interface Options extends ConnectionOptions, OutputOptions, ReasonOptions {
  readonly region: string;
  readonly host: readonly string[];
  /** Milliseconds. */
  readonly lifetime: number;
  readonly out?: string;
}

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<id>", "id of the gateway")
    .requiredOption("--region <name>", "region that it serves")
    .requiredOption("--host <name>", "name or IP that devices reach it by; more than once", collect)
    .addOption(durationOption("--lifetime <duration>", "how long the token is good", "24h"))
    .option("--out <file>", "write the token to this new file, mode 600");
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    [
      "muster gateway enroll gw-1 --region eu --host gw-1.example.org --out gw-1.token",
      "A token for a new gateway, whose certificate will name that host",
    ],
  ]);
  command.action(async (id: string, options: Options) => {
    checkName(id, "gateway id", "<id>");
    checkName(options.region, "region", "--region");
    const session = await openSession(shell, options);
    const { token } = await session.client.enrolGateway(
      {
        mutation: session.mutation(options.reason),
        region: options.region,
        gateway: id,
        hosts: [...options.host],
        lifetimeMs: BigInt(options.lifetime),
      },
      session.call,
    );
    const { output: format, out } = options;
    const worth = "it works once";
    await putToken({ shell, format, subject: { gateway: id }, token, out, worth });
  });
}
