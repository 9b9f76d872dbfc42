// SPDX-License-Identifier: Apache-2.0
/** The kernel's name of this boot: another one after each start of the machine. */
import { readFile } from "node:fs/promises";

const PATH = "/proc/sys/kernel/random/boot_id";

/** "" where the system has none: then a reboot cannot be proven. */
export async function readBootId(): Promise<string> {
  try {
    return (await readFile(PATH, "utf8")).trim();
  } catch {
    return "";
  }
}
