// SPDX-License-Identifier: Apache-2.0
/**
 * Reads reports from the EventLog for the rollout loop. The offsets up to which reports took effect
 * are one document, committed together with the effect: after a crash the same records are read
 * again exactly when their effect was lost.
 */
import { z } from "zod";
import type { EventLog } from "../../ports/event-log.ts";
import type { DocumentWrite, Store } from "../../ports/store.ts";
import { readRecord, type ReportSet } from "./report-record.ts";

const KEY = "ingest/offsets";
const stored = z.array(z.int().min(0));
/**
 * Records taken at once from a partition: bounds what one commit must hold, and for how long others
 * wait. A busy gateway's record holds about 250 reports, so that these are 25,000 in a cycle.
 */
const READ_RECORDS = 25;
const TRIM_PERIOD_MS = 1_000;

export class ReportConsumer {
  private readonly log: EventLog;
  private offsets: number[];
  private taken: number[];
  private readonly trimmed: number[];
  private trimmedAtMs = -Infinity;
  private revision: number;
  /** Something may have been appended since the last look. */
  private isBehind = true;

  private constructor(log: EventLog, offsets: number[], revision: number) {
    this.log = log;
    this.offsets = offsets;
    this.taken = [...offsets];
    this.trimmed = [...offsets];
    this.revision = revision;
  }

  static async open(log: EventLog, store: Store, signal: AbortSignal): Promise<ReportConsumer> {
    const document = await store.getDocument("setting", KEY, { signal });
    const offsets = document === null ? [] : [...stored.parse(document.value)];
    while (offsets.length < log.partitionCount) offsets.push(0);
    return new ReportConsumer(log, offsets, document?.revision ?? 0);
  }

  /** An append has returned: the next look reads again. */
  notify(): void {
    this.isBehind = true;
  }

  /** The next reports of every partition; empty when ingest is up to date. */
  async take(signal: AbortSignal): Promise<ReportSet[]> {
    if (!this.isBehind) return [];
    this.isBehind = false;
    const partitions = await Promise.all(
      this.taken.map((afterOffset, partition) =>
        this.log.read(partition, { afterOffset, limit: READ_RECORDS, signal }),
      ),
    );
    const sets: ReportSet[] = [];
    for (const records of partitions) {
      if (records.length > 0) this.isBehind = true; // there may be more behind these
      for (const { partition, offset, bytes } of records) {
        sets.push(readRecord(bytes));
        this.taken[partition] = offset;
      }
    }
    return sets;
  }

  /** What must be committed with the effect of the reports taken; null when none were taken. */
  pendingWrite(): DocumentWrite | null {
    if (this.taken.every((offset, partition) => offset === this.offsets[partition])) return null;
    return {
      kind: "setting",
      key: KEY,
      expectedRevision: this.revision,
      value: [...this.taken],
    };
  }

  /** The commit that held `pendingWrite` succeeded. */
  committed(): void {
    this.revision++;
    this.offsets = [...this.taken];
  }

  /**
   * Forgets what has taken effect, about once a second: each partition costs a sync of the disk.
   * When it fails, the next time forgets that too. `nowMs`: monotonic.
   */
  async trim(nowMs: number, signal: AbortSignal): Promise<void> {
    if (nowMs - this.trimmedAtMs < TRIM_PERIOD_MS) return;
    this.trimmedAtMs = nowMs;
    for (const [partition, offset] of this.offsets.entries()) {
      if (offset === this.trimmed[partition]) continue;
      await this.log.trim(partition, offset, { signal });
      this.trimmed[partition] = offset;
    }
  }
}
