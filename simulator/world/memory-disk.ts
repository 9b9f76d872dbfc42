// SPDX-License-Identifier: Apache-2.0
/** A gateway's disk in memory; what was written is durable at once. */
import { dirname, basename } from "node:path";
import type { Disk } from "../../gateway/disk.ts";

export function memoryDisk(): Disk {
  const texts = new Map<string, string>();
  return {
    makeFolder: async () => {},
    names: async (folder) =>
      [...texts.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path)),
    readText: async (path) => {
      const text = texts.get(path);
      if (text === undefined) throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
      return text;
    },
    writeDurable: async (path, text) => void texts.set(path, text),
    remove: async (path) => void texts.delete(path),
  };
}
