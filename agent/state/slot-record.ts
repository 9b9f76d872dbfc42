// SPDX-License-Identifier: Apache-2.0
/**
 * `slots/<slot>/slot.json`: the highest generation that was ever accepted in the slot. It is
 * written before the journal says so, and read only when the journal is lost: a rebuilt agent must
 * not accept what it had already left behind.
 */
import { z } from "zod";
import type { Slot } from "../../protocol/device/status.ts";
import type { Files } from "../files/files.ts";
import type { DataLayout } from "../slots/slot-layout.ts";
import { readChecksummed, writeChecksummed } from "./checksummed-text.ts";

interface SlotRecord {
  readonly highestGeneration: number;
}

const SCHEMA_NAME = "muster.slot/v1";
const MAX_BYTES = 4_096;
const schema: z.ZodType<SlotRecord> = z.strictObject({
  highestGeneration: z.int().min(0).max(0x7fff_ffff),
});

export async function writeSlotRecord(options: {
  files: Files;
  layout: DataLayout;
  slot: Slot;
  highestGeneration: number;
}): Promise<void> {
  const { files, layout, slot, highestGeneration } = options;
  await files.makeFolder(layout.slotFolder(slot));
  await files.writeAtomically({
    path: layout.slotRecord(slot),
    text: writeChecksummed(SCHEMA_NAME, { highestGeneration }),
    point: "agent.slot-record",
  });
}

/** 0 when there is no record, or none that reads back. */
export async function readHighestGeneration(options: {
  files: Files;
  layout: DataLayout;
  slot: Slot;
}): Promise<number> {
  const text = await options.files.readText(options.layout.slotRecord(options.slot), MAX_BYTES);
  if (text === null) return 0;
  const read = readChecksummed({ schemaName: SCHEMA_NAME, schema, text });
  return read.kind === "ok" ? read.value.highestGeneration : 0;
}
