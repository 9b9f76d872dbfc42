// SPDX-License-Identifier: Apache-2.0
/** How much this process may still write on the disk of a folder. */
import { statfs } from "node:fs/promises";

/** The folder must exist. What the system keeps for root is not counted. */
export async function freeDiskBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
