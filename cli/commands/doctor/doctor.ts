// SPDX-License-Identifier: Apache-2.0
/** `muster doctor`: checks, each with what to do. Exits 1 when one fails. */
import type { Command } from "commander";
import type { Json } from "../../../ports/store.ts";
import { addExamples } from "../../command.ts";
import { runChecks } from "../../doctor/checks.ts";
import type { CheckResult } from "../../doctor/check.ts";
import {
  addConnectionOptions,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { growthText, partsOf, type StoragePart } from "../../doctor/storage-check.ts";
import { printList } from "../../output/print.ts";
import type { Column } from "../../output/table.ts";
import { formatBytes } from "../../output/units.ts";
import { writeData, type Shell } from "../../shell.ts";

const COLUMNS: readonly Column<CheckResult>[] = [
  { title: "CHECK", cell: ({ check }) => check },
  { title: "RESULT", cell: ({ result }) => result },
  { title: "FOUND", cell: ({ found }) => found },
  { title: "DO", cell: ({ advice }) => advice },
];

type Options = ConnectionOptions &
  OutputOptions & { readonly data?: string; readonly proc: string };

const PART_COLUMNS: readonly Column<StoragePart>[] = [
  { title: "TAKES ROOM IN THE CENTER", cell: ({ part }) => part },
  { title: "SIZE", cell: ({ bytes }) => formatBytes(bytes) },
  { title: "GROWS A DAY", cell: ({ bytesPerDay }) => growthText(bytesPerDay) },
];

export function declare(command: Command, shell: Shell): void {
  command.option("--data <folder>", "data folder of the role that is to run here");
  command.option(
    "--proc <folder>",
    "where the kernel shows its settings, or a copy of it",
    "/proc",
  );
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster doctor", "Runtime, center, token, clock, disks, limits, kernel, ports"],
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
    if (options.output === "table") await printParts(shell, results);
    if (results.some(({ result }) => result === "fail")) shell.setExitStatus(1);
  });
}

async function printParts(shell: Shell, results: readonly CheckResult[]): Promise<void> {
  const items = results.flatMap(partsOf);
  if (items.length === 0) return;
  await writeData(shell, "\n");
  const data = (part: StoragePart): Json => ({ ...part });
  await printList({ shell, format: "table", columns: PART_COLUMNS, data, items });
}
