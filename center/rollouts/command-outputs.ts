// SPDX-License-Identifier: Apache-2.0
/**
 * What commands printed and how they ended: rows of kind "attempt-output", beside the attempt
 * pages.
 * A row holds the parts of one attempt that one cycle brought, each under its report's sequence;
 * whoever reads puts them together. Rows are stored ahead of the cycle's commit, in commits of
 * their
 * own: a cycle may bring more of them than one commit holds, and after a crash in between the same
 * reports bring the same rows again, which then are there already.
 *
 * Limits: MAX_ROLLOUT_BYTES and MAX_ROLLOUT_ROWS a rollout; what comes beyond is counted and not
 * kept. States and reasons of attempts do not depend on these rows.
 */
import { z } from "zod";
import type { DocumentWrite, Fence, Json, Store } from "../../ports/store.ts";
import type { FiledReport } from "../ingest/report-record.ts";
import type { OpenRollout } from "./open-rollout.ts";

/** A thousand devices that print 64 KiB each. */
export const MAX_ROLLOUT_BYTES: number = 64 * 2 ** 20;
/** Three rows each of thirty thousand devices. */
const MAX_ROLLOUT_ROWS = 100_000;
const ROWS_A_COMMIT = 500;
/** Rows of one attempt: at most one a report of its output. */
const ROWS_READ = 200;

interface OutputRow {
  readonly parts: { sequence: number; text: string }[];
  exitCode: number | null;
  /** All that it printed; 0 until its last word. */
  outputBytes: number;
}

const storedRow: z.ZodType<OutputRow> = z.strictObject({
  parts: z.array(z.strictObject({ sequence: z.int(), text: z.string() })),
  exitCode: z.int().nullable(),
  outputBytes: z.int(),
});

/** The rows of one cycle. */
export class CommandOutputs {
  private readonly rows = new Map<string, OutputRow>();

  add(rollout: OpenRollout, report: FiledReport): void {
    const { record } = rollout;
    const textBytes = Buffer.byteLength(report.text);
    const outputKept = record.outputKept + textBytes;
    const key = attemptPrefix(record.number, report);
    const row = this.rows.get(key);
    const outputRows = record.outputRows + (row === undefined ? 1 : 0);
    if (outputKept > MAX_ROLLOUT_BYTES || outputRows > MAX_ROLLOUT_ROWS) {
      rollout.record = { ...record, outputLeftOut: record.outputLeftOut + 1 };
      return;
    }
    rollout.record = { ...record, outputKept, outputRows };
    const into = row ?? { parts: [], exitCode: null, outputBytes: 0 };
    this.rows.set(key, into);
    into.parts.push({ sequence: report.sequence, text: report.text });
    into.exitCode = report.exitCode ?? into.exitCode;
    into.outputBytes = Math.max(into.outputBytes, report.outputBytes);
  }

  /** Throws what the Store throws. A fence that is stale shows in the cycle's own commit. */
  async store(store: Store, fence: Fence, signal: AbortSignal): Promise<void> {
    const documents = [...this.rows].map(([prefix, row]): DocumentWrite => {
      const first = row.parts[0]?.sequence ?? 0;
      const key = `${prefix}${String(first).padStart(5, "0")}`;
      return {
        kind: "attempt-output",
        key,
        expectedRevision: 0,
        value: row as unknown as Json,
      };
    });
    for (let start = 0; start < documents.length; start += ROWS_A_COMMIT) {
      const batch = documents.slice(start, start + ROWS_A_COMMIT);
      const result = await store.commit({ fence, documents: batch }, { signal });
      if (result.ok || result.reason === "stale-fence") continue;
      // Some are there from before a crash: those that are not are stored one by one.
      for (const write of batch) await store.commit({ fence, documents: [write] }, { signal });
    }
  }
}

export interface AttemptOutput {
  readonly text: string;
  readonly exitCode: number | null;
  readonly outputBytes: number;
}

/** null: nothing was kept. */
export async function readOutput(
  store: Store,
  rolloutNumber: number,
  attempt: { position: number; generation: number },
  signal: AbortSignal,
): Promise<AttemptOutput | null> {
  const prefix = attemptPrefix(rolloutNumber, attempt);
  const documents = await store.listDocuments("attempt-output", {
    prefix,
    limit: ROWS_READ,
    signal,
  });
  if (documents.length === 0) return null;
  // A part that was stored twice, in rows cut differently around a crash, counts once.
  const parts = new Map<number, string>();
  let exitCode: number | null = null;
  let outputBytes = 0;
  for (const { value } of documents) {
    const row = storedRow.parse(value);
    for (const { sequence, text } of row.parts) parts.set(sequence, text);
    exitCode = row.exitCode ?? exitCode;
    outputBytes = Math.max(outputBytes, row.outputBytes);
  }
  const inOrder = [...parts].toSorted(([left], [right]) => left - right);
  return { text: inOrder.map(([, text]) => text).join(""), exitCode, outputBytes };
}

function attemptPrefix(
  rolloutNumber: number,
  { position, generation }: { position: number; generation: number },
): string {
  return `${rolloutNumber}/${position}/${generation}/`;
}
