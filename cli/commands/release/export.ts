// SPDX-License-Identifier: Apache-2.0
/** `muster release export BUNDLE --out FOLDER`. */
import type { Command } from "commander";
import { MusterError } from "../../../domain/errors.ts";
import { addExamples } from "../../command.ts";
import { addOutputOption, type OutputOptions } from "../../options.ts";
import { printList } from "../../output/print.ts";
import type { Column } from "../../output/table.ts";
import { formatBytes } from "../../output/units.ts";
import { readBundle, verifyArtifacts } from "../../release/bundle.ts";
import { MIN_CHUNKED_BYTES } from "../../release/chunk-artifact.ts";
import { exportChunks, type ExportedIndex } from "../../release/export-chunks.ts";
import type { Shell } from "../../shell.ts";

const COLUMNS: readonly Column<ExportedIndex>[] = [
  { title: "ARTIFACT", cell: ({ artifact }) => artifact },
  { title: "INDEX", cell: ({ index }) => index },
  { title: "CHUNKS", cell: ({ chunks }) => String(chunks) },
  { title: "NEW", cell: ({ newChunks }) => String(newChunks) },
  { title: "NEW BYTES", cell: ({ newBytes }) => formatBytes(newBytes) },
];

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<bundle>", "folder made by `muster release create`")
    .requiredOption("--out <folder>", "where ARTIFACT.caibx and chunks.castr go");
  addOutputOption(command);
  addExamples(command, [
    ["muster release export shop-1.4.0.muster --out public", "Files that casync reads"],
    ["casync extract --store=public/chunks.castr public/app.caibx app.tar", "And how it does"],
  ]);
  command.action(async (folder: string, options: OutputOptions & { readonly out: string }) => {
    const { signal } = shell.interrupt;
    const bundle = await readBundle(folder);
    await verifyArtifacts(bundle, signal);
    const items = await exportChunks({ bundle, folder: options.out, signal });
    if (items.length === 0) throw nothingToExport(folder);
    await printList({
      shell,
      format: options.output,
      items,
      columns: COLUMNS,
      data: (row) => ({ ...row }),
    });
  });
}

function nothingToExport(folder: string): MusterError {
  return new MusterError({
    code: "failed_precondition",
    message: "no artifact of the bundle has a chunk index",
    detail: {
      file: folder,
      hint: `artifacts under ${formatBytes(MIN_CHUNKED_BYTES)} are moved whole and need none`,
    },
  });
}
