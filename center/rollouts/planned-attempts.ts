// SPDX-License-Identifier: Apache-2.0
/**
 * The attempts of a rollout in memory: its pages, and what is counted of them. Whoever changes a
 * page says so (`touch`); what was counted of other pages is kept.
 */
import { assert } from "../../domain/assert.ts";
import { ATTEMPT, CELL_FLAGS } from "../../domain/attempt.ts";
import {
  addCounts,
  countPage,
  emptyCounts,
  sumCounts,
  type AttemptCounts,
} from "../../domain/attempt-counts.ts";
import { CELLS_PER_PAGE, PAGE_TICK_MS, type AttemptPage } from "../../domain/attempt-page.ts";
import { groupsOf } from "../../domain/groups.ts";
import { waveAt } from "../../domain/membership.ts";
import type { WaveRange } from "../../domain/rollout.ts";
import type { GateSight } from "../../domain/slice-tally.ts";
import type { SlicedPlan } from "../../domain/slices.ts";
import { growPages, holdPages, type HeldPage } from "./held-page.ts";
import type { PlanColumns, PlanVersions } from "./plan-pages.ts";
import { PlannedDevices, type Joiner } from "./planned-devices.ts";
import type { PlanRecord, RolloutRecord } from "./rollout-record.ts";
import { RolloutSlices } from "./rollout-slices.ts";

export interface PlannedAttemptsOptions {
  readonly record: RolloutRecord;
  readonly plan: PlanRecord;
  readonly columns: PlanColumns;
  /** Versions of the pages of the plan and of its slices; default: not stored yet. */
  readonly versions?: PlanVersions;
  readonly pages: readonly { number: number; version: number; bytes: Uint8Array }[];
  /** Default: nothing is told apart. */
  readonly sliced?: SlicedPlan;
}

export class PlannedAttempts extends PlannedDevices {
  record: RolloutRecord;
  protected readonly pages: HeldPage[];
  private slices: RolloutSlices;
  private totals: AttemptCounts[] | null = null;

  constructor(options: PlannedAttemptsOptions) {
    super(options);
    this.record = options.record;
    this.pages = holdPages(this.ordinals.length, options.pages, this.nowTicks);
    this.slices = this.sliceAnew();
  }

  private sliceAnew(): RolloutSlices {
    const pages = this.pages.map(({ page }) => page);
    return new RolloutSlices(this.sliced, pages, this.plan.waves);
  }

  get nowTicks(): number {
    return Math.floor(this.record.progress.clockMs / PAGE_TICK_MS);
  }

  /** Positions of the plan that may be offered; with all waves open, whoever joined, too. */
  get releasedEnd(): number {
    const { waves } = this.plan;
    const { waveCount } = this.record.progress;
    return waveCount >= waves.length ? this.ordinals.length : (waves[waveCount - 1]?.end ?? 0);
  }

  /** Its wave is open. */
  isReleased(position: number): boolean {
    return this.waveAt(position) < this.record.progress.waveCount;
  }

  /** The wave (index) of a position, planned or joined. */
  waveAt(position: number): number {
    return waveAt(this.plan.waves, this.record.progress.joined, position);
  }

  protected override append(joiners: readonly Joiner[]): void {
    super.append(joiners);
    growPages(this.pages, this.ordinals.length, this.nowTicks);
    this.totals = null;
    this.slices = this.sliceAnew();
  }

  cell(position: number): { page: AttemptPage; index: number } {
    return { page: this.heldAt(position).page, index: position % CELLS_PER_PAGE };
  }

  protected heldAt(position: number): HeldPage {
    const held = this.pages[Math.floor(position / CELLS_PER_PAGE)];
    assert(held !== undefined, "a position lies in a page of the plan");
    return held;
  }

  /** Every cell, in order of position. */
  *cells(): Generator<{ page: AttemptPage; index: number }> {
    for (const { page } of this.pages) {
      for (let index = 0; index < page.cellCount; index++) yield { page, index };
    }
  }

  /** Calls back for each device for which generations were drawn. */
  forEachTried(visit: (ordinal: number, tries: number) => void): void {
    for (const { page } of this.pages) {
      for (let index = 0; index < page.cellCount; index++) {
        const tries = page.tries[index] ?? 0;
        if (tries > 0) visit(this.ordinalAt(page.number * CELLS_PER_PAGE + index), tries);
      }
    }
  }

  stateAt(position: number): number {
    const { page, index } = this.cell(position);
    return page.state[index] ?? 0;
  }

  flagsAt(position: number): number {
    const { page, index } = this.cell(position);
    return page.flags[index] ?? 0;
  }

  generationAt(position: number): number {
    const { page, index } = this.cell(position);
    return page.generation[index] ?? 0;
  }

  /** By wave, current. */
  get counts(): readonly AttemptCounts[] {
    this.totals ??= this.sumPages();
    return this.totals;
  }

  get total(): AttemptCounts {
    return sumCounts(this.counts);
  }

  /** By slice and site, current. */
  get sight(): GateSight {
    return this.slices.sight(this.record.progress.heldSlices, this.record.progress.joined);
  }

  /** Why nothing is offered to it; null = its slice is not held. */
  heldBecause(position: number): string | null {
    return this.slices.heldBecause(position, this.record.progress.heldSlices);
  }

  private sumPages(): AttemptCounts[] {
    const { waves } = this.plan;
    const totals = waves.map(emptyCounts);
    for (const held of this.pages) {
      this.countsOf(held).forEach((counts, wave) => {
        const total = totals[wave];
        if (total !== undefined) addCounts(total, counts);
      });
    }
    return totals;
  }

  private countsOf(held: HeldPage): readonly AttemptCounts[] {
    held.counts ??= countPage(held.page, this.plan.waves, undefined, this.record.progress.joined);
    return held.counts;
  }

  protected totalOf(held: HeldPage): AttemptCounts {
    held.total ??= sumCounts(this.countsOf(held));
    return held.total;
  }

  protected touch(held: HeldPage): void {
    held.dirty = true;
    held.counts = null;
    held.total = null;
    this.slices.touch(held.page);
    this.totals = null;
  }

  /**
   * Calls back for positions before `end`, and of who joined an open wave, that are offered, or
   * pending while `wantsPending`; in order. Pages without any are not looked into.
   */
  visitCandidates(
    end: number,
    wantsPending: () => boolean,
    visit: (position: number, isOffered: boolean) => void,
  ): void {
    for (const held of this.pages) {
      const base = held.page.number * CELLS_PER_PAGE;
      const { cellCount } = held.page;
      if (base >= end && base + cellCount <= this.plan.deviceCount) continue;
      const { byState } = this.totalOf(held);
      const { offered, pending } = ATTEMPT;
      if (byState[offered] === 0 && (byState[pending] === 0 || !wantsPending())) continue;
      for (let index = 0; index < cellCount; index++) {
        const position = base + index;
        const isJoined = position >= this.plan.deviceCount;
        if (position >= end && !(isJoined && this.isReleased(position))) continue;
        const state = held.page.state[index];
        if (state === offered) visit(position, true);
        else if (state === pending && wantsPending()) visit(position, false);
      }
    }
  }

  /** Groups of which one has failed; each once. */
  failedGroups(): Iterable<WaveRange> {
    const isTogether = (position: number): boolean => this.isTogether(position);
    return groupsOf({ positionCount: this.ordinals.length, isTogether }, this.failedPositions());
  }

  private *failedPositions(): Generator<number> {
    for (const held of this.pages) {
      if (this.totalOf(held).failures === 0) continue;
      const { flags, cellCount, number } = held.page;
      for (let index = 0; index < cellCount; index++) {
        const hasFailed = ((flags[index] ?? 0) & CELL_FLAGS.failed) !== 0;
        if (hasFailed) yield number * CELLS_PER_PAGE + index;
      }
    }
  }

  /** Pages in which something is in flight. */
  *pagesInFlight(): Generator<AttemptPage> {
    for (const held of this.pages) if (this.totalOf(held).inFlight > 0) yield held.page;
  }
}
