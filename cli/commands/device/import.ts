// SPDX-License-Identifier: Apache-2.0
/** `muster device import FILE`. */
import type { Command } from "commander";
import { addExamples } from "../../command.ts";
import { importDevices } from "../../import-devices.ts";
import {
  addConnectionOptions,
  addOutputOption,
  addReasonOption,
  durationOption,
  type ConnectionOptions,
  type OutputOptions,
  type ReasonOptions,
} from "../../options.ts";
import { printObject } from "../../output/print.ts";
import { formatCount } from "../../output/units.ts";
import type { Shell } from "../../shell.ts";

type Options = ConnectionOptions &
  OutputOptions &
  ReasonOptions & {
    readonly skipBad?: boolean;
    readonly dryRun?: boolean;
    readonly tokens?: string;
    readonly lifetime: number;
  };

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<file>", "CSV file: id,region,site,labels,serviceLevel,critical")
    .option("--skip-bad", "leave bad rows out instead of importing nothing")
    .option("--dry-run", "check the file and import nothing")
    .option("--tokens <file>", "also make enrolment tokens, and write id,token to this new file")
    .addOption(durationOption("--lifetime <duration>", "how long those tokens are good", "24h"));
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  command.addHelpText(
    "after",
    "\nLabels are name=value with ; between them. Devices that speak CoAP have OSCORE keys in\n" +
      "further columns, in hex: oscoreSenderId, oscoreSecret, oscoreSalt. Every bad row is\n" +
      "named with its line, and nothing is imported when one is bad, unless --skip-bad is\n" +
      "given. Importing again changes only what differs.",
  );
  addExamples(command, [
    ["muster device import devices.csv --dry-run", "Check the file"],
    ["muster device import devices.csv --tokens tokens.csv", "Register and make tokens"],
  ]);
  command.action(async (file: string, options: Options) => {
    const result = await importDevices({ shell, file, options });
    await printObject({
      shell,
      format: options.output,
      data: { ...result },
      human: () => [
        Object.entries(result)
          .map(([what, count]) => `${formatCount(count)} ${what}`)
          .join(", "),
      ],
    });
  });
}
