// SPDX-License-Identifier: Apache-2.0
/**
 * Which boot of the machine this is. Monotonic time means something only within one boot, so a
 * lease of another boot is expired, whatever its numbers say.
 */
import { readFile } from "node:fs/promises";
import type { Random } from "../../ports/random.ts";

const LINUX_BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** Where the system does not say, each start of the process counts as a boot: the safe side. */
export async function readBootId(random: Random): Promise<string> {
  try {
    return (await readFile(LINUX_BOOT_ID, "utf8")).trim();
  } catch {
    return Buffer.from(random.bytes(16)).toString("hex");
  }
}
