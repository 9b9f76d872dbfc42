// SPDX-License-Identifier: Apache-2.0
/**
 * Reads reports from the EventLog for the rollout loop. The offsets up to which reports took effect
 * are one document, committed together with the effect: after a crash the same records are read
 * again exactly when their effect was lost. Each log has a document of its own: offsets of one say
 * nothing of another, which is read from its beginning (reports fold).
 */
import { z } from "zod";
import { isMusterError, type MusterError } from "../../domain/errors.ts";
import type { EventLog, EventRecord } from "../../ports/event-log.ts";
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
/** Without news the log is read this often: whether it is there decides whether time counts. */
const LOOK_PERIOD_MS = 2_000;
/** A log that is away is asked this rarely: the loop waits for its answer. */
const RETRY_MS = 1_000;

export class ReportConsumer {
  private readonly log: EventLog;
  private readonly key: string;
  private offsets: number[];
  private taken: number[];
  private readonly trimmed: number[];
  private trimmedAtMs = -Infinity;
  private revision: number;
  /** Something may have been appended since the last look. */
  private isBehind = true;
  private lookedAtMs = -Infinity;
  private failedAtMs = -Infinity;
  /** Why the log could not be read when it was last tried; null = it could. */
  failure: MusterError | null = null;

  private constructor(log: EventLog, key: string, offsets: number[], revision: number) {
    this.log = log;
    this.key = key;
    this.offsets = offsets;
    this.taken = [...offsets];
    this.trimmed = [...offsets];
    this.revision = revision;
  }

  static async open(log: EventLog, store: Store, signal: AbortSignal): Promise<ReportConsumer> {
    // The embedded log's is the first there was.
    const key = log.id === "embedded" ? KEY : `${KEY}/${log.id}`;
    const document = await store.getDocument("setting", key, { signal });
    const offsets = document === null ? [] : [...stored.parse(document.value)];
    while (offsets.length < log.partitionCount) offsets.push(0);
    return new ReportConsumer(log, key, offsets, document?.revision ?? 0);
  }

  /** An append has returned: the next look reads again. */
  notify(): void {
    this.isBehind = true;
  }

  /**
   * The next reports of every partition; empty when ingest is up to date, and while the log is
   * away: `failure` says so, and later calls try again. `nowMs`: monotonic.
   */
  async take(nowMs: number, signal: AbortSignal): Promise<ReportSet[]> {
    const isDue = this.isBehind || nowMs - this.lookedAtMs >= LOOK_PERIOD_MS;
    if (!isDue || nowMs - this.failedAtMs < RETRY_MS) return [];
    this.lookedAtMs = nowMs;
    this.isBehind = false;
    this.failure = null;
    const partitions = await Promise.all(
      this.taken.map((afterOffset, partition) => this.read(partition, afterOffset, signal)),
    );
    if (this.failure !== null) {
      this.isBehind = true;
      this.failedAtMs = nowMs;
    }
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
      key: this.key,
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
   * While the log is away nothing is forgotten, and all of it later. `nowMs`: monotonic.
   */
  async trim(nowMs: number, signal: AbortSignal): Promise<void> {
    if (this.failure !== null || nowMs - this.trimmedAtMs < TRIM_PERIOD_MS) return;
    this.trimmedAtMs = nowMs;
    for (const [partition, offset] of this.offsets.entries()) {
      if (offset === this.trimmed[partition]) continue;
      try {
        await this.log.trim(partition, offset, { signal });
      } catch (error) {
        if (isUnavailable(error)) return;
        throw error;
      }
      this.trimmed[partition] = offset;
    }
  }

  private async read(
    partition: number,
    afterOffset: number,
    signal: AbortSignal,
  ): Promise<readonly EventRecord[]> {
    try {
      return await this.log.read(partition, { afterOffset, limit: READ_RECORDS, signal });
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      this.failure = error;
      return [];
    }
  }
}

function isUnavailable(error: unknown): error is MusterError {
  return isMusterError(error) && error.code === "unavailable";
}
