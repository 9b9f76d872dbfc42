// SPDX-License-Identifier: Apache-2.0
/** `muster token create NAME --role ROLE`. */
import { Option, type Command } from "commander";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import { putToken } from "../../enrolment-output.ts";
import {
  addConnectionOptions,
  addOutputOption,
  addReasonOption,
  durationOption,
  type ConnectionOptions,
  type OutputOptions,
  type ReasonOptions,
} from "../../options.ts";
import { formatElapsed } from "../../output/units.ts";
import type { Shell } from "../../shell.ts";

const ROLES = ["admin", "operator", "viewer"] as const;

interface Options extends ConnectionOptions, OutputOptions, ReasonOptions {
  readonly role: string;
  readonly forTenant?: string;
  /** Milliseconds. */
  readonly lifetime: number;
  readonly out?: string;
}

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<name>", "who or what it is for")
    .addOption(new Option("--role <role>", "what it may do").choices(ROLES).makeOptionMandatory())
    .option("--for-tenant <name>", "in which tenant; * for all; else the current one")
    .addOption(durationOption("--lifetime <duration>", "how long it is good", "90d"))
    .option("--out <file>", "write the token to this new file, mode 600");
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster token create ci --role operator --out ci.token", "For a pipeline"],
    ["muster token create wall --role viewer --lifetime 365d", "For a screen on the wall"],
  ]);
  command.action(async (name: string, options: Options) => {
    const session = await openSession(shell, options);
    const { token, record } = await session.client.createToken(
      {
        mutation: session.mutation(options.reason),
        name,
        tenant: options.forTenant ?? session.tenant,
        role: options.role,
        lifetimeMs: BigInt(options.lifetime),
      },
      session.call,
    );
    const subject = { id: record?.id ?? "", name };
    await putToken({
      shell,
      format: options.output,
      subject,
      token,
      out: options.out,
      worth: `it is good for ${formatElapsed(options.lifetime)}`,
    });
  });
}
