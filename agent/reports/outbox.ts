// SPDX-License-Identifier: Apache-2.0
/**
 * Reports wait here until the center has them (PUBACK). A report is on disk before it is sent, and
 * leaves the disk after it was acknowledged; a power cut in between sends it again, and its
 * sequence keeps it from counting twice.
 *
 * One file a (rollout, generation) holds the last report of each phase and the parts of output.
 * The file stays, even empty,
 * while the attempt is open, because it holds the sequence.
 *
 * Fault points: `agent.report.{before,middle,after}`, `agent.acknowledge.{before,middle,after}`.
 */
import { join } from "node:path";
import type { Logger } from "../../ports/logger.ts";
import type { DeviceReport } from "../../protocol/device/report.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { Files } from "../files/files.ts";
import { readChecksummed, writeChecksummed } from "../state/checksummed-text.ts";
import {
  fitReport,
  MAX_REPORT_RECORD_BYTES,
  REPORT_RECORD_SCHEMA_NAME,
  reportRecordSchema,
} from "./report-record.ts";
import type { ReportRecord } from "./report-record.ts";

export type ReportDraft = Omit<DeviceReport, "sequence">;

/**
 * Generations with unacknowledged reports. New offers need a center, and a center takes reports, so
 * a device comes near this only when something else is broken; then the oldest are dropped, loudly.
 */
export const MAX_OUTBOX_GENERATIONS = 256;
/** Where counting goes on when a record is lost: beyond what an attempt ever uses. */
const SEQUENCE_AFTER_LOSS = 1_000;

export class Outbox {
  readonly #files: Files;
  readonly #folder: string;
  readonly #logger: Logger;
  readonly #records: Map<string, ReportRecord>;
  readonly #listeners = new Set<() => void>();
  #writing: Promise<void> = Promise.resolve();

  constructor(options: {
    files: Files;
    folder: string;
    logger: Logger;
    records: ReadonlyMap<string, ReportRecord>;
  }) {
    this.#files = options.files;
    this.#folder = options.folder;
    this.#logger = options.logger;
    this.#records = new Map(options.records);
  }

  /** Unacknowledged reports in the order in which they are to be sent. */
  pending(): readonly DeviceReport[] {
    return [...this.#records.values()]
      .flatMap((record) => record.pending)
      .toSorted(
        (left, right) => left.generation - right.generation || left.sequence - right.sequence,
      );
  }

  /** True when a report of this generation was ever written and the attempt is still open. */
  knows(rollout: number, generation: number): boolean {
    return this.#records.has(keyOf(rollout, generation));
  }

  /** Calls back whenever something new is pending. Returns how to stop. */
  onPending(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Gives the report its sequence and makes it durable; `isLast` closes the generation. */
  async add(draft: ReportDraft, options: { isLast: boolean }): Promise<DeviceReport> {
    const key = keyOf(draft.rollout, draft.generation);
    const report = await this.#change(key, "agent.report", (record) => {
      const sequence = record.lastSequence + 1;
      const added = fitReport({ ...draft, sequence });
      // Each part of a command's output is needed; of anything else the last word is.
      const others = record.pending.filter(
        ({ phase }) => phase !== draft.phase || phase === "output",
      );
      const next = {
        lastSequence: sequence,
        isClosed: options.isLast,
        pending: [...others, added],
      };
      return { next, answer: added };
    });
    await this.#dropBeyondLimit();
    for (const listener of this.#listeners) listener();
    return report;
  }

  /**
   * Puts a report of before back, word for word: the answer to an offer that was answered already.
   */
  async repeat(report: DeviceReport): Promise<void> {
    const key = keyOf(report.rollout, report.generation);
    await this.#change(key, "agent.report", (record) => {
      const isPending = record.pending.some((other) => other.phase === report.phase);
      const lastSequence = Math.max(record.lastSequence, report.sequence);
      const pending = isPending ? record.pending : [...record.pending, report];
      return { next: { lastSequence, isClosed: true, pending }, answer: null };
    });
    for (const listener of this.#listeners) listener();
  }

  /** The center has it. A newer report of the same phase stays. */
  async acknowledge(report: DeviceReport): Promise<void> {
    const key = keyOf(report.rollout, report.generation);
    await this.#change(key, "agent.acknowledge", (record) => {
      const pending = record.pending.filter((other) => other.sequence !== report.sequence);
      return { next: { ...record, pending }, answer: null };
    });
  }

  /** One change after the other: durable first, then in memory. */
  #change<T>(
    key: string,
    point: string,
    change: (record: ReportRecord) => { next: ReportRecord; answer: T },
  ): Promise<T> {
    const changed = this.#writing.then(async () => {
      const before = this.#records.get(key) ?? { lastSequence: 0, isClosed: false, pending: [] };
      const { next, answer } = change(before);
      const path = join(this.#folder, `${key}.json`);
      if (next.isClosed && next.pending.length === 0) {
        faultPoint(`${point}.before`);
        await this.#files.remove(path);
        await this.#files.synchronise(this.#folder);
        this.#records.delete(key);
        faultPoint(`${point}.after`);
      } else {
        const text = writeChecksummed(REPORT_RECORD_SCHEMA_NAME, next);
        await this.#files.writeAtomically({ path, text, point });
        this.#records.set(key, next);
      }
      return answer;
    });
    this.#writing = changed.then(
      () => {},
      () => {}, // The caller has the error; memory is what it was.
    );
    return changed;
  }

  async #dropBeyondLimit(): Promise<void> {
    while (this.#records.size > MAX_OUTBOX_GENERATIONS) {
      const oldest = [...this.#records.keys()].toSorted(byGeneration)[0];
      if (oldest === undefined) return;
      this.#logger.error("Too many reports wait for the center; dropping the oldest generation.", {
        reports: oldest,
      });
      await this.#files.remove(join(this.#folder, `${oldest}.json`));
      this.#records.delete(oldest);
    }
  }
}

/**
 * Reads what waits; a record that does not read back is set aside and its count goes on far above.
 */
export async function openOutbox(options: {
  files: Files;
  folder: string;
  logger: Logger;
}): Promise<Outbox> {
  const { files, folder, logger } = options;
  await files.makeFolder(folder);
  const records = new Map<string, ReportRecord>();
  for (const name of (await files.list(folder)) ?? []) {
    const key = /^(\d+-\d+)\.json$/.exec(name)?.[1];
    if (key === undefined) continue;
    const path = join(folder, name);
    const text = (await files.readText(path, MAX_REPORT_RECORD_BYTES)) ?? "";
    const read = readChecksummed({
      schemaName: REPORT_RECORD_SCHEMA_NAME,
      schema: reportRecordSchema,
      text,
    });
    if (read.kind === "ok") {
      records.set(key, read.value);
      continue;
    }
    logger.error("Reports that wait for the center do not read back; they are kept aside.", {
      path,
      why: read.why,
    });
    await files.rename(path, `${path}.corrupt`);
    records.set(key, { lastSequence: SEQUENCE_AFTER_LOSS, isClosed: false, pending: [] });
  }
  return new Outbox({ files, folder, logger, records });
}

function keyOf(rollout: number, generation: number): string {
  return `${rollout}-${generation}`;
}

function byGeneration(left: string, right: string): number {
  return Number(left.split("-")[1]) - Number(right.split("-")[1]);
}
