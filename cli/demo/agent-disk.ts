// SPDX-License-Identifier: Apache-2.0
/** What a real agent's own disk says it runs: the active side and the record beside it. */
import { readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

export interface DiskVersion {
  /** "" = nothing installed. */
  readonly version: string;
  /** SHA-256 (hex) of the release manifest; "" = nothing installed. */
  readonly digest: string;
}

const sideRecord = z.object({ digest: z.string() });

/** `dataDirectory`: of the agent. */
export async function readAgentDisk(dataDirectory: string): Promise<DiskVersion> {
  const slot = join(dataDirectory, "slots", "app");
  const side = await readlink(join(slot, "current")).catch(() => null);
  if (side === null) return { version: "", digest: "" };
  const text = await readFile(join(slot, `${side}.json`), "utf8");
  // The first line is the file's schema and checksum; the record follows.
  const { digest } = sideRecord.parse(JSON.parse(text.slice(text.indexOf("\n") + 1)));
  const version = await readFile(join(slot, "current", "VERSION"), "utf8");
  return { version: version.trim(), digest };
}
