// SPDX-License-Identifier: Apache-2.0
/**
 * The gateway's disk as a port, for the small files that it must not lose: the operating system's
 * in production, one in memory in whole-system simulation. Throws what `writeDurableFile` throws.
 */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { PRIVATE_FILE_MODE, writeDurableFile } from "../protocol/trust/durable-file.ts";

export interface Disk {
  /** With its parents. */
  makeFolder(path: string): Promise<void>;
  /** Names in a folder that is there. */
  names(path: string): Promise<readonly string[]>;
  /** Throws when there is no such file. */
  readText(path: string): Promise<string>;
  /** Replaces the file as one durable change. */
  writeDurable(path: string, text: string): Promise<void>;
  /** Nothing happens when there is no such file. */
  remove(path: string): Promise<void>;
}

export const systemDisk: Disk = {
  makeFolder: async (path) => {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  names: (path) => readdir(path),
  readText: (path) => readFile(path, "utf8"),
  writeDurable: (path, text) => writeDurableFile(path, text, { mode: PRIVATE_FILE_MODE }),
  remove: (path) => rm(path, { force: true }),
};
