// SPDX-License-Identifier: Apache-2.0
/**
 * Judges a device by its disk alone, as somebody would who pulled the card: what is linked must be
 * one of the known versions, whole to the byte, and the journal must say the same or stand exactly
 * at the step that was changing it.
 */
import assert from "node:assert/strict";
import { readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { systemFiles } from "../../../agent/files/system-files.ts";
import { dataLayout } from "../../../agent/slots/slot-layout.ts";
import { measureTree } from "../../../agent/slots/tree-digest.ts";
import { readChecksummed } from "../../../agent/state/checksummed-text.ts";
import {
  journalSchema,
  JOURNAL_SCHEMA_NAME,
  MAX_JOURNAL_BYTES,
} from "../../../agent/state/journal-schema.ts";
import type { SlotState } from "../../../agent/state/journal-state.ts";
import {
  reportRecordSchema,
  REPORT_RECORD_SCHEMA_NAME,
} from "../../../agent/reports/report-record.ts";
import type { ReportRecord } from "../../../agent/reports/report-record.ts";

/** Tree digest of each version that may run; "" stands for nothing installed. */
export type KnownTrees = ReadonlyMap<string, string>;

const signal = new AbortController().signal;

/** The version whose tree is linked in slot app; fails when it is none of the known ones, whole. */
export async function versionOnDisk(dataDirectory: string, known: KnownTrees): Promise<string> {
  const layout = dataLayout(dataDirectory);
  const linked = await linkOf(dataDirectory);
  if (linked === "none") return "";
  const folder = layout.sideFolder("app", linked);
  const measured = await measureTree({ files: systemFiles, folder, signal });
  for (const [version, treeDigest] of known) if (treeDigest === measured) return version;
  throw new Error(`what is linked (${linked}) is no version whole: ${measured}`);
}

export async function linkOf(dataDirectory: string): Promise<"a" | "b" | "none"> {
  try {
    const target = await readlink(dataLayout(dataDirectory).current("app"));
    assert.ok(target === "a" || target === "b");
    return target;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "none";
    throw error;
  }
}

/** The slot as the journal has it; fails when the journal does not read back. */
export async function journalOf(dataDirectory: string): Promise<SlotState> {
  const path = dataLayout(dataDirectory).journal;
  const text = (await systemFiles.readText(path, MAX_JOURNAL_BYTES)) ?? "";
  const read = readChecksummed({ schemaName: JOURNAL_SCHEMA_NAME, schema: journalSchema, text });
  assert.equal(read.kind, "ok");
  assert.ok(read.kind === "ok" && read.value.slots.app !== undefined);
  return read.value.slots.app;
}

/** At any instant: link and journal agree, or the step under way is the one that moves the link. */
export async function checkJournalAgrees(dataDirectory: string): Promise<void> {
  const journal = await journalOf(dataDirectory);
  const linked = await linkOf(dataDirectory);
  if (journal.active === linked) return;
  const step = journal.attempt?.steps[journal.attempt.stepIndex];
  assert.ok(step?.kind === "switch" || step?.kind === "rollback", `apart at ${step?.kind}`);
  assert.equal(step.to, linked);
}

/** The reports that wait, by file. */
export async function reportsOf(dataDirectory: string): Promise<readonly ReportRecord[]> {
  const folder = dataLayout(dataDirectory).reports;
  const records: ReportRecord[] = [];
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".json")) continue;
    const text = (await systemFiles.readText(join(folder, name), 1_000_000)) ?? "";
    const read = readChecksummed({
      schemaName: REPORT_RECORD_SCHEMA_NAME,
      schema: reportRecordSchema,
      text,
    });
    assert.equal(read.kind, "ok", name);
    if (read.kind === "ok") records.push(read.value);
  }
  return records;
}
