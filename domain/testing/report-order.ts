// SPDX-License-Identifier: Apache-2.0
/**
 * Invariant 5: replaying or reordering a device's messages ends in the same state. Whatever reports
 * the center takes between two other events is applied to a copy of the page as well, in another
 * order and in part twice; and when everything is over it is all said again.
 */
import {
  ATTEMPT_COLUMNS,
  copyAttemptPage,
  createAttemptPage,
  type AttemptPage,
} from "../attempt-page.ts";
import { stepAttempt, type AttemptEvent } from "../attempt-step.ts";
import { needsEvidence } from "../subject.ts";
import { must } from "./invariants.ts";
import type { PureRollout } from "./pure-rollout.ts";
import { SeededRandom } from "../seeded-random.ts";

type Reported = Extract<AttemptEvent, { kind: "reported" }>;
type IsPlanted = (name: string) => boolean;

interface Batch {
  readonly before: AttemptPage;
  readonly nowTicks: number;
  readonly stopping: boolean;
  readonly isProvenByReport: boolean;
  readonly reports: Reported[];
}

export class ReportOrder {
  private readonly isPlanted: IsPlanted;
  /** Of its own: what is drawn here must not change what the history tells. */
  private readonly random = new SeededRandom(5);
  private readonly batches = new Map<PureRollout, Batch>();
  private readonly taken = new Map<PureRollout, Reported[]>();

  constructor(isPlanted: IsPlanted) {
    this.isPlanted = isPlanted;
  }

  /** Before any event is applied. */
  stepping(rollout: PureRollout, event: AttemptEvent): void {
    if (event.kind !== "reported") return this.close(rollout);
    const { page, nowTicks, isStopping: stopping } = rollout;
    let batch = this.batches.get(rollout);
    if (batch === undefined) {
      const isProvenByReport = isProven(rollout);
      const before = copyAttemptPage(page);
      batch = { before, nowTicks, stopping, isProvenByReport, reports: [] };
      this.batches.set(rollout, batch);
    }
    batch.reports.push(event);
  }

  /** Before anything else than a report changes its page. */
  close(rollout: PureRollout): void {
    const batch = this.batches.get(rollout);
    if (batch === undefined) return;
    this.batches.delete(rollout);
    const { before, reports } = batch;
    this.taken.set(rollout, [...(this.taken.get(rollout) ?? []), ...reports]);
    this.apply(before, this.another(reports), batch);
    const differs = firstDifference(before, rollout.page);
    must("report-order", differs === -1, `position ${differs} differs when reports are reordered`);
  }

  /** At the end, of each rollout. */
  replay(rollout: PureRollout): void {
    const taken = this.taken.get(rollout) ?? [];
    const { page, nowTicks } = rollout;
    const again = copyAttemptPage(page);
    const isProvenByReport = isProven(rollout);
    this.apply(again, this.another(taken), { nowTicks, stopping: false, isProvenByReport });
    const changed = firstDifference(again, page);
    must("replay", changed === -1, `position ${changed} changed when all was said again`);
    this.retell(taken, page.cellCount, isProvenByReport);
  }

  /** Nothing but the reports, to attempts that were just leased. */
  private retell(taken: readonly Reported[], cellCount: number, isProvenByReport: boolean): void {
    const generations = new Map<number, number>();
    for (const { position, generation } of taken) {
      generations.set(position, Math.max(generation, generations.get(position) ?? 0));
    }
    const inOrder = [...taken].sort((a, b) => a.sequence - b.sequence);
    const [first, second] = [inOrder, this.another(taken)].map((reports) => {
      const page = createAttemptPage(0, cellCount);
      const context = { nowTicks: 0, stopping: false, isProvenByReport };
      for (const [position, generation] of generations) {
        const leased = { kind: "leased", position, generation, previous: 1 } as const;
        stepAttempt(page, leased, { ...context, isPlanted: this.isPlanted });
      }
      this.apply(page, reports, context);
      return page;
    });
    if (first === undefined || second === undefined) return;
    const differs = firstDifference(first, second);
    must("report-order", differs === -1, `position ${differs} ends in another state in disorder`);
  }

  private another(reports: readonly Reported[]): Reported[] {
    const twice = reports.filter(() => this.random.chance(0.3));
    return this.random.shuffle([...reports, ...twice]);
  }

  private apply(
    page: AttemptPage,
    reports: readonly Reported[],
    { nowTicks, stopping, isProvenByReport }: Omit<Batch, "before" | "reports">,
  ): void {
    const context = { nowTicks, stopping, isProvenByReport, isPlanted: this.isPlanted };
    for (const report of reports) stepAttempt(page, report, context);
  }
}

/** The report is the proof: of a command. */
function isProven({ frame }: PureRollout): boolean {
  return !needsEvidence(frame.spec);
}

/** The first cell that is not the same in both; −1 when every byte is. */
function firstDifference(one: AttemptPage, other: AttemptPage): number {
  for (let cell = 0; cell < one.cellCount; cell++) {
    const differs = ATTEMPT_COLUMNS.some((column) => one[column][cell] !== other[column][cell]);
    if (differs) return cell;
  }
  return -1;
}
