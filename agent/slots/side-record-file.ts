// SPDX-License-Identifier: Apache-2.0
/** Reads and writes `a.json` and `b.json`, the records beside a slot's two sides. */
import type { Slot } from "../../protocol/device/status.ts";
import type { Files } from "../files/files.ts";
import { readChecksummed, writeChecksummed } from "../state/checksummed-text.ts";
import type { ReadResult } from "../state/checksummed-text.ts";
import { MAX_SIDE_RECORD_BYTES, sideRecordSchema, SIDE_RECORD_SCHEMA_NAME } from "./side-record.ts";
import type { SideRecord } from "./side-record.ts";
import type { DataLayout, Side } from "./slot-layout.ts";

export async function writeSideRecord(options: {
  files: Files;
  layout: DataLayout;
  slot: Slot;
  side: Side;
  record: SideRecord;
}): Promise<void> {
  await options.files.writeAtomically({
    path: options.layout.sideRecord(options.slot, options.side),
    text: writeChecksummed(SIDE_RECORD_SCHEMA_NAME, options.record),
    point: "agent.side-record",
  });
}

/** Null when there is no record. */
export async function readSideRecord(options: {
  files: Files;
  layout: DataLayout;
  slot: Slot;
  side: Side;
}): Promise<ReadResult<SideRecord> | null> {
  const path = options.layout.sideRecord(options.slot, options.side);
  const text = await options.files.readText(path, MAX_SIDE_RECORD_BYTES);
  if (text === null) return null;
  return readChecksummed({ schemaName: SIDE_RECORD_SCHEMA_NAME, schema: sideRecordSchema, text });
}
