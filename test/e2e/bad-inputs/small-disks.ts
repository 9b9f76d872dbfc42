// SPDX-License-Identifier: Apache-2.0
/**
 * Small disks for the roles of an installation, so that a test can fill one: file systems in
 * memory, mounted over the data folders before the roles start. Mounting is for root; where it is
 * not permitted the tests that need it are skipped, saying so.
 */
import { execFile } from "node:child_process";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const CHUNK_BYTES = 1_048_576;
const FILLER = "filler";

export class SmallDisks implements AsyncDisposable {
  /** Why there are none; null = they are there. */
  missing: string | null = null;
  readonly #mounted: string[] = [];

  /** Mounts one of `megabytes` at each folder; all of them or none. */
  async mount(sizes: { readonly [folder: string]: number }): Promise<void> {
    for (const [folder, megabytes] of Object.entries(sizes)) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const options = `size=${megabytes}m,mode=700`;
      try {
        await run("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]);
      } catch (error) {
        const [why = ""] = (error as { stderr?: string }).stderr?.split("\n") ?? [];
        this.missing = `a small disk cannot be mounted here (${why})`;
        return;
      }
      this.#mounted.push(folder);
    }
  }

  /** Takes all space but `leftBytes`. */
  async fill(folder: string, leftBytes = 0): Promise<void> {
    const path = join(folder, FILLER);
    const file = await open(path, "w");
    try {
      let writtenBytes = 0;
      for (let chunkBytes = CHUNK_BYTES; chunkBytes >= 1;) {
        const { bytesWritten } = await file
          .write(Buffer.alloc(chunkBytes))
          .catch(() => ({ bytesWritten: 0 }));
        writtenBytes += bytesWritten;
        if (bytesWritten < chunkBytes) chunkBytes = Math.floor(chunkBytes / 2);
      }
      await file.truncate(Math.max(0, writtenBytes - leftBytes));
    } finally {
      await file.close();
    }
  }

  async free(folder: string): Promise<void> {
    await rm(join(folder, FILLER), { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const folder of this.#mounted.toReversed()) await run("umount", ["-l", folder]);
  }
}
