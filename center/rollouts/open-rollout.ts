// SPDX-License-Identifier: Apache-2.0
/**
 * A rollout that the engine works on, in memory: its record, its frozen plan and its attempt pages.
 * Memory: the plan (planned-devices.ts), 25 bytes a cell, and where sites or slices are told apart
 * 5 bytes a position and 17 a site, and a byte a position for each sliced fact.
 * Only the rollout loop changes it; what changed is committed before anybody else hears of it.
 */
import { assert } from "../../domain/assert.ts";
import { ATTEMPT, reasonCode } from "../../domain/attempt.ts";
import {
  addCounts,
  countPage,
  emptyCounts,
  sumCounts,
  type AttemptCounts,
} from "../../domain/attempt-counts.ts";
import { CELLS_PER_PAGE, PAGE_TICK_MS, type AttemptPage } from "../../domain/attempt-page.ts";
import {
  closeUnaccepted,
  enter,
  outdo,
  stepAttempt,
  withdraw,
  type AttemptEvent,
  type StepOutcome,
} from "../../domain/attempt-step.ts";
import { sweepPage, type SweepContext } from "../../domain/attempt-sweep.ts";
import { addJoined, waveAt } from "../../domain/membership.ts";
import { isEnded } from "../../domain/rollout.ts";
import type { RolloutFrame } from "../../domain/rollout-engine.ts";
import { stepOf } from "../../domain/path-step.ts";
import { SLOT_NAMES } from "../../domain/running-page.ts";
import { windowsOf } from "../../domain/plan-zones.ts";
import type { GateSight } from "../../domain/slice-tally.ts";
import type { SlicedPlan } from "../../domain/slices.ts";
import { skipClosedTime } from "../../domain/window-deadlines.ts";
import { isClosed, type WindowOpened } from "../../domain/zone-progress.ts";
import type { WindowKind } from "../../domain/zone-windows.ts";
import { needsEvidence } from "../../domain/subject.ts";
import type { DocumentWrite, PageWrite } from "../../ports/store.ts";
import { dirtyWrites, growPages, holdPages, type HeldPage } from "./held-page.ts";
import { keepCounts } from "./kept-counts.ts";
import type { PlanColumns, PlanVersions } from "./plan-pages.ts";
import { PlannedDevices, type Joiner } from "./planned-devices.ts";
import { hasChanged } from "./record-change.ts";
import { rolloutKey, toJson, type PlanRecord, type RolloutRecord } from "./rollout-record.ts";
import { RolloutSlices } from "./rollout-slices.ts";

/** What the sweep needs of the world. */
export type SweepView = Pick<SweepContext, "evidence" | "isOnline" | "isPlanted">;

export class OpenRollout extends PlannedDevices {
  record: RolloutRecord;
  readonly frame: RolloutFrame;
  readonly slotIndex: number;
  private readonly pages: HeldPage[];
  private slices: RolloutSlices;
  private revision: number;
  private savedRecord: RolloutRecord;
  private totals: AttemptCounts[] | null = null;
  private isNew: boolean;

  constructor(options: {
    record: RolloutRecord;
    /** 0 = the record is not stored yet. */
    revision: number;
    plan: PlanRecord;
    columns: PlanColumns;
    /** Versions of the pages of the plan and of its slices; default: not stored yet. */
    versions?: PlanVersions;
    pages: readonly { number: number; version: number; bytes: Uint8Array }[];
    offerLifetimeMs: number;
    /** Default: nothing is told apart. */
    sliced?: SlicedPlan;
  }) {
    super(options);
    this.record = options.record;
    this.savedRecord = options.record;
    this.revision = options.revision;
    this.isNew = options.revision === 0;
    this.slotIndex = SLOT_NAMES.indexOf(options.plan.slot);
    this.frame = {
      spec: options.record.spec,
      limits: options.plan.limits,
      waveTotal: options.plan.waves.length,
      isRollback: options.record.parent !== "",
      offerLifetimeMs: options.offerLifetimeMs,
      zones: windowsOf(options.record.spec.windows, options.plan, options.columns.zones),
    };
    this.pages = holdPages(this.ordinals.length, options.pages, this.nowTicks);
    const pages = this.pages.map(({ page }) => page);
    this.slices = new RolloutSlices(this.sliced, pages, options.plan.waves);
  }

  get key(): string {
    return rolloutKey(this.record.tenant, this.record.name);
  }

  get nowTicks(): number {
    return Math.floor(this.record.progress.clockMs / PAGE_TICK_MS);
  }

  get isStopping(): boolean {
    const { state } = this.record.progress;
    return state === "stopping" || state === "rolling-back";
  }

  /** False: what devices report is the proof. */
  get needsEvidence(): boolean {
    return needsEvidence(this.record.spec);
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

  /** Appends devices that came after the plan was frozen; `wave` is an index. */
  join(joiners: readonly Joiner[], wave: number): void {
    const start = this.ordinals.length;
    this.append(joiners);
    growPages(this.pages, this.ordinals.length, this.nowTicks);
    this.totals = null;
    const pages = this.pages.map(({ page }) => page);
    this.slices = new RolloutSlices(this.sliced, pages, this.plan.waves);
    const { progress } = this.record;
    const joined = addJoined(progress.joined, start, joiners.length, wave);
    this.record = { ...this.record, progress: { ...progress, joined } };
  }

  cell(position: number): { page: AttemptPage; index: number } {
    return { page: this.heldAt(position).page, index: position % CELLS_PER_PAGE };
  }

  private heldAt(position: number): HeldPage {
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

  generationAt(position: number): number {
    const { page, index } = this.cell(position);
    return page.generation[index] ?? 0;
  }

  step(event: AttemptEvent, isPlanted: (name: string) => boolean): StepOutcome {
    const held = this.pages[Math.floor(event.position / CELLS_PER_PAGE)];
    if (held === undefined || event.position % CELLS_PER_PAGE >= held.page.cellCount)
      return "stale";
    const outcome = stepAttempt(held.page, event, {
      nowTicks: this.nowTicks,
      stopping: this.isStopping,
      isProvenByReport: !this.needsEvidence,
      isPlanted,
    });
    if (outcome === "changed") this.touch(held);
    return outcome;
  }

  /** On a version path, that of its step: what is behind it counts from where it began. */
  override targetIndexAt(position: number): number {
    const { page, index } = this.cell(position);
    return super.targetIndexAt(position) + stepOf(page.flags[index] ?? 0);
  }

  /** Time and evidence, over every page that has open cells. */
  sweep(view: SweepView): void {
    const { state } = this.record.progress;
    const hasSteps = this.plan.starts.length > 0;
    for (const held of this.pages) {
      // Only a rollback looks at cells that are proven, or were never offered.
      if (state !== "rolling-back" && this.totalOf(held).unproven === 0) {
        held.sweptAtTicks = this.nowTicks;
        continue;
      }
      const elapsedTicks = this.nowTicks - held.sweptAtTicks;
      held.sweptAtTicks = this.nowTicks;
      const changed = sweepPage(held.page, {
        ...view,
        nowTicks: this.nowTicks,
        elapsedTicks,
        deadlines: this.record.spec.deadlines,
        soakMs: this.record.spec.soakMs,
        rollingBack: state === "rolling-back",
        stopping: this.isStopping,
        offerLifetimeMs: this.frame.offerLifetimeMs,
        isWindowClosed: (position, window) => this.isWindowClosed(position, window),
        hasNextStep: (at) => hasSteps && this.targetIndexAt(at) < this.plan.targets.length - 1,
      });
      if (changed) this.touch(held);
    }
  }

  /** Of the device's time zone, as of the last tick. */
  isWindowClosed(position: number, window: WindowKind): boolean {
    if (this.columns.zones === null) return false;
    return isClosed(this.record.progress.zones[this.columns.zones[position] ?? 0], window);
  }

  /** Attempts that waited for this window go on with what is left of their deadlines. */
  windowOpened({ zone, window, closedAtMs }: WindowOpened): void {
    for (const held of this.pages) {
      const changed = skipClosedTime(held.page, {
        zone,
        window,
        zoneAt: (position) => this.columns.zones?.[position] ?? -1,
        closedAtTicks: Math.floor(closedAtMs / PAGE_TICK_MS),
        nowTicks: this.nowTicks,
      });
      if (changed) this.touch(held);
    }
  }

  /** Another rollout has won the device's slot: nothing is left to do in this one. Neutral. */
  outdo(position: number): void {
    const held = this.heldAt(position);
    outdo(held.page, position % CELLS_PER_PAGE, this.nowTicks);
    this.touch(held);
  }

  /** One of those that it moves together with has failed. Neutral. */
  keepBack(position: number): void {
    const held = this.heldAt(position);
    const cell = position % CELLS_PER_PAGE;
    held.page.reason[cell] = reasonCode("group-failed");
    enter(held.page, cell, ATTEMPT.cancelled, this.nowTicks);
    this.touch(held);
  }

  /** Its device left; false when it was offered something already. */
  withdraw(position: number): boolean {
    const held = this.heldAt(position);
    if (!withdraw(held.page, position % CELLS_PER_PAGE, this.nowTicks)) return false;
    this.touch(held);
    return true;
  }

  /** Moves every cell in one of `from` to the terminal state `to`. */
  close(from: readonly number[], to: number, reason: string): void {
    for (const held of this.pages) {
      const changed = closeUnaccepted(held.page, { from, to, reason, nowTicks: this.nowTicks });
      if (changed) this.touch(held);
    }
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

  private totalOf(held: HeldPage): AttemptCounts {
    held.total ??= sumCounts(this.countsOf(held));
    return held.total;
  }

  private touch(held: HeldPage): void {
    held.dirty = true;
    held.counts = null;
    held.total = null;
    this.slices.touch(held.page);
    this.totals = null;
  }

  /**
   * Positions before `end`, and of who joined an open wave, that are offered, or pending while
   * `wantsPending`; in order. Pages without any are not looked into.
   */
  *candidates(end: number, wantsPending: () => boolean): Generator<number> {
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
        if (state === offered || (state === pending && wantsPending())) yield position;
      }
    }
  }

  /** Pages in which something is in flight. */
  *pagesInFlight(): Generator<AttemptPage> {
    for (const held of this.pages) if (this.totalOf(held).inFlight > 0) yield held.page;
  }

  /** What must be committed: the record when it changed, and the pages that changed. */
  pendingWrites(): { documents: DocumentWrite[]; pages: PageWrite[] } {
    const documents: DocumentWrite[] = [];
    const { finalCounts, number, progress } = this.record;
    const pages = [...dirtyWrites(this.pages, number), ...this.planWrites(number)];
    if (isEnded(progress.state) && (finalCounts === null || pages.length > 0)) {
      const now = { counts: this.counts, tally: this.sight.tally };
      this.record = { ...this.record, finalCounts: keepCounts(now) };
    }
    if (this.isNew || hasChanged(this.record, this.savedRecord) || pages.length > 0) {
      documents.push({
        kind: "rollout",
        key: this.key,
        expectedRevision: this.revision,
        value: toJson(this.record),
      });
    }
    return { documents, pages };
  }

  /** The commit that held `writes` succeeded. */
  committed(writes: { documents: readonly DocumentWrite[]; pages: readonly PageWrite[] }): void {
    if (writes.documents.length > 0) {
      this.revision++;
      this.savedRecord = this.record;
      this.isNew = false;
    }
    this.planCommitted(writes.pages);
    for (const write of writes.pages) {
      if (write.kind !== "attempt") continue;
      const held = this.pages[write.number];
      assert(held !== undefined, "a committed page is held");
      held.version++;
      held.dirty = false;
    }
  }

  get storedRevision(): number {
    return this.revision;
  }
}
