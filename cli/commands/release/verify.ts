// SPDX-License-Identifier: Apache-2.0
/** `muster release verify BUNDLE [--root FILE]`. */
import type { Command } from "commander";
import { MAX_METADATA_BYTES } from "../../../protocol/trust/tuf-metadata.ts";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import { readBounded } from "../../files.ts";
import {
  addConnectionOptions,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { printObject } from "../../output/print.ts";
import { formatInstant } from "../../output/units.ts";
import { readBundle, readBundleTargets, verifyArtifacts } from "../../release/bundle.ts";
import { notSigned, targetOf, verifyBundleSignature } from "../../release/sign-bundle.ts";
import type { Shell } from "../../shell.ts";

type Options = ConnectionOptions & OutputOptions & { readonly root?: string };

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<bundle>", "folder made by `muster release create`")
    .option("--root <file>", "TUF root to verify against, offline; else the center's");
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster release verify shop-1.4.0.muster --root root.json", "Without any center"],
  ]);
  command.action(async (folder: string, options: Options) => {
    const bundle = await readBundle(folder);
    await verifyArtifacts(bundle, shell.interrupt.signal);
    const targetsBytes = await readBundleTargets(folder);
    if (targetsBytes === null) throw notSigned(bundle);
    const facts = verifyBundleSignature({
      bundle,
      targetsBytes,
      rootBytes: await readRoot(shell, options),
      nowMs: shell.clock.wallMs(),
    });
    const { name, version, artifacts } = bundle.manifest;
    await printObject({
      shell,
      format: options.output,
      data: { bundle: folder, name, version, sha256: bundle.sha256, ...facts, ok: true },
      human: () => [
        `${targetOf(bundle)} is whole and signed: ${artifacts.length} artifacts, ` +
          `targets version ${facts.targetsVersion}, good until ${formatInstant(facts.expiresMs)}`,
      ],
    });
  });
}

async function readRoot(shell: Shell, options: Options): Promise<Uint8Array> {
  if (options.root === undefined) {
    const session = await openSession(shell, options);
    return (await session.client.getTrust({}, session.call)).root;
  }
  return readBounded(options.root, {
    attempted: "reading the root metadata",
    maxBytes: MAX_METADATA_BYTES.root,
  });
}
