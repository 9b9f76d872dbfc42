// SPDX-License-Identifier: Apache-2.0
//
// `npm run generate`: writes protocol/gen from protocol/muster/v1/*.proto, and bench/gen from
// bench/proto. The result is committed, so that a clone runs without this step;
// test/integration/generated.test.ts fails when the two differ.

import { join } from "node:path";
import { root, runStage } from "./stage.ts";

/** Folders that hold a `gen`: what it is generated from, and how. */
const TARGETS = [
  { folder: "protocol", input: "protocol", template: "buf.gen.yaml" },
  { folder: "bench", input: "bench/proto", template: "bench/buf.gen.yaml" },
] as const;

/** The folders that are generated, as paths below the root. */
export const GENERATED_FOLDERS: readonly string[] = TARGETS.map(({ folder }) => `${folder}/gen`);

/**
 * Generates each of GENERATED_FOLDERS below `folder`, replacing what is there.
 *
 * @returns whether it succeeded; the tools have said on stderr what is wrong.
 */
export async function generate(folder: string): Promise<boolean> {
  for (const { folder: target, input, template } of TARGETS) {
    const output = join(folder, target);
    const { ok } = await runStage({
      name: `generate ${target}`,
      command: "buf",
      args: ["generate", input, "--template", template, "--output", output],
    });
    if (!ok) return false;
  }
  return true;
}

if (import.meta.main) {
  process.exitCode = (await generate(root)) ? 0 : 1;
}
