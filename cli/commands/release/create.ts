// SPDX-License-Identifier: Apache-2.0
/** `muster release create FILE [--out FOLDER]`. */
import type { Command } from "commander";
import { addExamples } from "../../command.ts";
import { addOutputOption, type OutputOptions } from "../../options.ts";
import { printObject } from "../../output/print.ts";
import { createAnyBundle } from "../../configuration/create-any-bundle.ts";
import { note, type Shell } from "../../shell.ts";

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<file>", "document (kind: Release or Configuration)")
    .option("--out <folder>", "the bundle; else <name>-<version>.muster here");
  addOutputOption(command);
  addExamples(command, [
    ["muster release create release.yaml", "Make shop-1.4.0.muster from the document's files"],
  ]);
  command.action(async (file: string, options: OutputOptions & { readonly out?: string }) => {
    const bundle = await createAnyBundle({
      documentFile: file,
      out: options.out ?? null,
      folder: ".",
      note: (text) => note(shell, text),
      signal: shell.interrupt.signal,
    });
    const { name, version, artifacts } = bundle.manifest;
    const { folder, sha256 } = bundle;
    await printObject({
      shell,
      format: options.output,
      data: { bundle: folder, name, version, sha256, artifacts: artifacts.length },
      human: () => [folder],
    });
  });
}
