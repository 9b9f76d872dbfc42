// SPDX-License-Identifier: Apache-2.0
//
// `npm run generate`: writes protocol/gen from protocol/muster/v1/*.proto. The result is committed,
// so that a clone runs without this step; test/generated.test.ts fails when the two differ.

import { join } from "node:path";
import { root, runStage } from "./stage.ts";

/**
 * Generates into `${folder}/gen`, replacing what is there.
 *
 * @returns whether it succeeded; the tools have said on stderr what is wrong.
 */
export async function generate(folder: string): Promise<boolean> {
  const { ok } = await runStage({
    name: "generate",
    command: "buf",
    args: ["generate", "--template", "buf.gen.yaml", "--output", folder],
  });
  return ok;
}

if (import.meta.main) {
  process.exitCode = (await generate(join(root, "protocol"))) ? 0 : 1;
}
