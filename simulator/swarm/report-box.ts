// SPDX-License-Identifier: Apache-2.0
/**
 * A device's reports until the center has them: the last of each phase of each generation, in
 * order, sent again after every reconnect. A generation that has said its last word and was heard
 * is forgotten.
 */
import type { DeviceReport } from "../../protocol/device/report.ts";

export type ReportDraft = Omit<DeviceReport, "sequence">;

interface GenerationReports {
  lastSequence: number;
  isClosed: boolean;
  pending: DeviceReport[];
}

/**
 * Generations that wait: a device gets a new one only from a center that also takes reports, so
 * more than these is a center that loses acknowledgements; the oldest go, and are counted.
 */
export const MAX_WAITING_GENERATIONS = 32;

export class ReportBox {
  readonly #generations = new Map<number, GenerationReports>();
  #droppedCount = 0;

  /** Numbers the report and keeps it; `isLast` closes its generation. */
  add(draft: ReportDraft, isLast: boolean): DeviceReport {
    const reports = this.#of(draft.generation);
    const report = { ...draft, sequence: reports.lastSequence + 1 };
    reports.lastSequence = report.sequence;
    reports.isClosed = isLast;
    reports.pending = reports.pending.filter((other) => !isReplaced(other, draft.phase));
    reports.pending.push(report);
    this.#dropOldest();
    return report;
  }

  /** Puts an answer of before back, word for word (also when a journal is read). */
  repeat(report: DeviceReport, isLast = true): void {
    const reports = this.#of(report.generation);
    reports.lastSequence = Math.max(reports.lastSequence, report.sequence);
    reports.isClosed = isLast;
    const isWaiting = reports.pending.some(({ sequence }) => sequence === report.sequence);
    if (!isWaiting) {
      reports.pending = reports.pending.filter((other) => !isReplaced(other, report.phase));
      reports.pending.push(report);
    }
    this.#dropOldest();
  }

  /** True when a report of this generation waits or its attempt is open. */
  knows(generation: number): boolean {
    return this.#generations.has(generation);
  }

  acknowledge(report: { readonly generation: number; readonly sequence: number }): void {
    const reports = this.#generations.get(report.generation);
    if (reports === undefined) return;
    reports.pending = reports.pending.filter(({ sequence }) => sequence !== report.sequence);
    const isDone = reports.isClosed && reports.pending.length === 0;
    if (isDone) this.#generations.delete(report.generation);
  }

  /** In the order in which they are to be sent. */
  *pending(): Generator<DeviceReport> {
    for (const reports of this.#generations.values()) yield* reports.pending;
  }

  get pendingCount(): number {
    let count = 0;
    for (const { pending } of this.#generations.values()) count += pending.length;
    return count;
  }

  /** Generations whose reports were given up. */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  #of(generation: number): GenerationReports {
    const known = this.#generations.get(generation);
    if (known !== undefined) return known;
    const fresh = { lastSequence: 0, isClosed: false, pending: [] };
    this.#generations.set(generation, fresh);
    return fresh;
  }

  #dropOldest(): void {
    const [oldest] = this.#generations.keys();
    if (this.#generations.size <= MAX_WAITING_GENERATIONS || oldest === undefined) return;
    this.#generations.delete(oldest);
    this.#droppedCount += 1;
  }
}

/** Each part of a command's output is needed; of anything else the last word is. */
function isReplaced({ phase }: DeviceReport, by: DeviceReport["phase"]): boolean {
  return phase === by && phase !== "output";
}
