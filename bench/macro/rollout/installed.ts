// SPDX-License-Identifier: Apache-2.0
/**
 * Muster as it is published: built JavaScript, laid out as npm installs it. A center that runs from
 * source strips types as it starts, each of its threads anew, and keeps 60 MB for it.
 */
import { cp, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { root, runStage } from "../../../scripts/stage.ts";

/** Builds it and puts it together in `folder`; answers the path of the command. */
export async function installBuilt(folder: string): Promise<string> {
  const args = ["scripts/build.ts"];
  const { ok } = await runStage({ name: "build", command: process.execPath, args });
  if (!ok) throw new Error("Muster could not be built");
  await mkdir(folder, { recursive: true });
  for (const name of ["bin", "package.json"]) {
    await cp(join(root, name), join(folder, name), { recursive: true });
  }
  for (const name of ["dist", "node_modules"]) await symlink(join(root, name), join(folder, name));
  return join(folder, "bin", "muster.js");
}
