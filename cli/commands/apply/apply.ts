// SPDX-License-Identifier: Apache-2.0
/** `muster apply -f FILE…`. */
import type { Command } from "commander";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import { applyDocuments, type ApplyResult } from "../../apply-documents.ts";
import { loadDocuments } from "../../documents/load-documents.ts";
import {
  addConnectionOptions,
  addOutputOption,
  addReasonOption,
  type ConnectionOptions,
  type OutputOptions,
  type ReasonOptions,
} from "../../options.ts";
import { printList } from "../../output/print.ts";
import type { Column } from "../../output/table.ts";
import { note, type Shell } from "../../shell.ts";

interface Options extends ConnectionOptions, OutputOptions, ReasonOptions {
  readonly file: readonly string[];
  readonly dryRun?: boolean;
  readonly key?: string;
}

const COLUMNS: readonly Column<ApplyResult>[] = [
  { title: "KIND", cell: ({ kind }) => kind },
  { title: "NAME", cell: ({ name }) => name },
  { title: "RESULT", cell: ({ result }) => result },
];

export function declare(command: Command, shell: Shell): void {
  command
    .requiredOption("-f, --file <file...>", "YAML file, - for standard input, bundle or folder")
    .option("--key <file>", "private key of the targets role (PEM), to sign configurations")
    .option("--dry-run", "check everything and send nothing");
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  command.addHelpText(
    "after",
    "\nEverything is read and checked before anything is sent; releases and configurations go\n" +
      "before rollouts. Applying the same again changes nothing.",
  );
  addExamples(command, [
    ["muster apply -f shop-1.4.0.muster -f rollout.yaml", "A signed release and its rollout"],
    ["muster apply -f configuration.yaml --key targets.key.pem", "A configuration, signed here"],
    ["muster apply -f deploy/ --dry-run", "Check a folder"],
  ]);
  command.action(async (options: Options) => {
    const documents = await loadDocuments(shell, options.file);
    if (options.dryRun === true) {
      note(shell, `${documents.length} checked, nothing sent.`);
      return;
    }
    const session = await openSession(shell, options);
    await printList({
      shell,
      format: options.output,
      columns: COLUMNS,
      data: (result) => ({ ...result }),
      items: applyDocuments({
        shell,
        session,
        documents,
        keyFile: options.key,
        reason: options.reason,
      }),
    });
  });
}
