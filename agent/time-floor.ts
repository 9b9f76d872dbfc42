// SPDX-License-Identifier: Apache-2.0
/**
 * The floor of the device's working time on its disk: a device without a battery boots in 1970, and
 * this is how it knows better. A lost file costs nothing but that knowledge.
 */
import { z } from "zod";
import type { Files } from "./files/files.ts";
import { readChecksummed, writeChecksummed } from "./state/checksummed-text.ts";

const SCHEMA_NAME = "muster.time-floor/v1";
const MAX_BYTES = 4_096;
const schema: z.ZodType<{ floorMs: number }> = z.strictObject({ floorMs: z.number().min(0) });

/** Milliseconds since 1970; 0 when nothing is known. */
export async function readTimeFloor(files: Files, path: string): Promise<number> {
  const text = await files.readText(path, MAX_BYTES);
  if (text === null) return 0;
  const read = readChecksummed({ schemaName: SCHEMA_NAME, schema, text });
  return read.kind === "ok" ? read.value.floorMs : 0;
}

export async function writeTimeFloor(files: Files, path: string, floorMs: number): Promise<void> {
  const text = writeChecksummed(SCHEMA_NAME, { floorMs });
  await files.writeAtomically({ path, text, point: "agent.time-floor" });
}
