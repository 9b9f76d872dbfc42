// SPDX-License-Identifier: Apache-2.0
/** `muster release sign BUNDLE --key FILE`. */
import type { Command } from "commander";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import { MAX_SECRET_BYTES, readBounded } from "../../files.ts";
import {
  addConnectionOptions,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { printObject } from "../../output/print.ts";
import { readBundle, verifyArtifacts } from "../../release/bundle.ts";
import { signBundle, targetOf } from "../../release/sign-bundle.ts";
import type { Shell } from "../../shell.ts";

type Options = ConnectionOptions & OutputOptions & { readonly key: string };

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<bundle>", "folder made by `muster release create`")
    .requiredOption("--key <file>", "private key of the targets role (PEM); never leaves here");
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster release sign shop-1.4.0.muster --key targets.key.pem", "Sign it"],
    ["muster apply -f shop-1.4.0.muster", "Then send it"],
  ]);
  command.action(async (folder: string, options: Options) => {
    const bundle = await readBundle(folder);
    await verifyArtifacts(bundle, shell.interrupt.signal);
    const keyPem = await readBounded(options.key, {
      attempted: "reading the signing key",
      maxBytes: MAX_SECRET_BYTES,
    });
    const session = await openSession(shell, options);
    const trust = await session.client.getTrust({}, session.call);
    const targetsVersion = await signBundle({
      bundle,
      trust: { rootBytes: trust.root, targetsBytes: trust.targets },
      keyPem: keyPem.toString("utf8"),
      keyFile: options.key,
      nowMs: shell.clock.wallMs(),
    });
    const target = targetOf(bundle);
    await printObject({
      shell,
      format: options.output,
      data: { bundle: folder, target, sha256: bundle.sha256, targetsVersion },
      human: () => [`${target} is signed (targets version ${targetsVersion})`],
    });
  });
}
