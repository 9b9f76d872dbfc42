// SPDX-License-Identifier: Apache-2.0
/** A folder of a test's own, gone with its scope: `await using folder = await tempDir()`. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TempDir extends AsyncDisposable {
  /** Absolute. */
  readonly path: string;
  /** The path of a file or folder inside. */
  join(...parts: string[]): string;
}

/** `label` shows in the folder's name, for whoever finds one that a killed test left behind. */
export async function tempDir(label = "test"): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), `muster-${label}-`));
  return {
    path,
    join: (...parts) => join(path, ...parts),
    [Symbol.asyncDispose]: async () => {
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
