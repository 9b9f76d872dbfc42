// SPDX-License-Identifier: Apache-2.0
/** `muster doctor`: checks, each with what to do. Exits 1 when one fails. */
import type { Command } from "commander";
import { addExamples } from "../../command.ts";
import { runChecks } from "../../doctor/checks.ts";
import type { CheckResult } from "../../doctor/check.ts";
import {
  addConnectionOptions,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { printList } from "../../output/print.ts";
import type { Column } from "../../output/table.ts";
import type { Shell } from "../../shell.ts";

const COLUMNS: readonly Column<CheckResult>[] = [
  { title: "CHECK", cell: ({ check }) => check },
  { title: "RESULT", cell: ({ result }) => result },
  { title: "FOUND", cell: ({ found }) => found },
  { title: "DO", cell: ({ advice }) => advice },
];

type Options = ConnectionOptions & OutputOptions & { readonly data?: string };

export function declare(command: Command, shell: Shell): void {
  command.option("--data <folder>", "data folder of the role that is to run here");
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster doctor", "Runtime, center, token, clock, disk, limits, ports"],
    ["muster doctor --data /var/lib/muster/gateway", "With a role's own data folder"],
  ]);
  command.action(async (options: Options) => {
    const results = await runChecks({ shell, options });
    await printList({
      shell,
      format: options.output,
      columns: COLUMNS,
      data: (result) => ({ ...result }),
      items: results,
    });
    if (results.some(({ result }) => result === "fail")) shell.setExitStatus(1);
  });
}
