// SPDX-License-Identifier: Apache-2.0
/**
 * A rollout that the engine works on, in memory: its record, its frozen plan and its attempt pages.
 * Memory: the plan (planned-devices.ts), 25 bytes a cell, and where sites or slices are told apart
 * 5 bytes a position and 17 a site, and a byte a position for each sliced fact.
 * Only the rollout loop changes it; what changed is committed before anybody else hears of it.
 */
import { assert } from "../../domain/assert.ts";
import { CELLS_PER_PAGE, PAGE_TICK_MS, UNKNOWN_RELEASE } from "../../domain/attempt-page.ts";
import {
  closeUnaccepted,
  outdo,
  retire,
  stepAttempt,
  withdraw,
  type AttemptContext,
  type AttemptEvent,
  type StepOutcome,
} from "../../domain/attempt-step.ts";
import { sweepPage, type SweepContext } from "../../domain/attempt-sweep.ts";
import { addJoined } from "../../domain/membership.ts";
import { isEnded } from "../../domain/rollout.ts";
import type { RolloutFrame } from "../../domain/rollout-engine.ts";
import { isGoingBack, stepOf } from "../../domain/path-step.ts";
import { SLOT_NAMES } from "../../domain/running-page.ts";
import { windowsOf } from "../../domain/plan-zones.ts";
import { skipClosedTime } from "../../domain/window-deadlines.ts";
import { isClosed, type WindowOpened } from "../../domain/zone-progress.ts";
import type { WindowKind } from "../../domain/zone-windows.ts";
import { needsEvidence } from "../../domain/subject.ts";
import { beginWayBack, keepBack } from "../../domain/way-back.ts";
import type { DocumentWrite, PageWrite } from "../../ports/store.ts";
import { dirtyWrites } from "./held-page.ts";
import { keepCounts } from "./kept-counts.ts";
import { PlannedAttempts, type PlannedAttemptsOptions } from "./planned-attempts.ts";
import type { Joiner } from "./planned-devices.ts";
import type { PreviousTarget } from "./previous-target.ts";
import { hasChanged } from "./record-change.ts";
import { rolloutKey, toJson, type PlanTarget, type RolloutRecord } from "./rollout-record.ts";

/** What the sweep needs of the world. */
export type SweepView = Pick<
  SweepContext,
  "evidence" | "isOnline" | "isPlanted" | "isUnknown" | "running"
>;

const NO_CONTEXT = {
  record: null,
  context: { nowTicks: 0, stopping: false, isPlanted: () => false },
};

export class OpenRollout extends PlannedAttempts {
  readonly frame: RolloutFrame;
  readonly slotIndex: number;
  private readonly previousTarget: PreviousTarget;
  private revision: number;
  private savedRecord: RolloutRecord;
  private isNew: boolean;
  private stepContext: { record: RolloutRecord | null; context: AttemptContext } = NO_CONTEXT;

  constructor(
    options: PlannedAttemptsOptions & {
      /** 0 = the record is not stored yet. */
      revision: number;
      offerLifetimeMs: number;
      /** Default: nobody can be put back by this rollout itself. */
      previousTarget?: PreviousTarget;
    },
  ) {
    super(options);
    this.previousTarget = options.previousTarget ?? (() => null);
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
  }

  get key(): string {
    return rolloutKey(this.record.tenant, this.record.name);
  }

  get isStopping(): boolean {
    const { state } = this.record.progress;
    return state === "stopping" || state === "rolling-back";
  }

  /** False: what devices report is the proof. */
  get needsEvidence(): boolean {
    return needsEvidence(this.record.spec);
  }

  /** Appends devices that came after the plan was frozen; `wave` is an index. */
  join(joiners: readonly Joiner[], wave: number): void {
    const start = this.ordinals.length;
    this.append(joiners);
    const { progress } = this.record;
    const joined = addJoined(progress.joined, start, joiners.length, wave);
    this.record = { ...this.record, progress: { ...progress, joined } };
  }

  step(event: AttemptEvent, isPlanted: (name: string) => boolean): StepOutcome {
    const held = this.pages[Math.floor(event.position / CELLS_PER_PAGE)];
    if (held === undefined || event.position % CELLS_PER_PAGE >= held.page.cellCount)
      return "stale";
    const outcome = stepAttempt(held.page, event, this.contextWith(isPlanted));
    if (outcome === "changed") this.touch(held);
    return outcome;
  }

  /** Made once a cycle: a step of a million reports would leave a million of them. */
  private contextWith(isPlanted: (name: string) => boolean): AttemptContext {
    const known = this.stepContext;
    if (known.record === this.record && known.context.isPlanted === isPlanted) return known.context;
    const context = {
      nowTicks: this.nowTicks,
      stopping: this.isStopping,
      isProvenByReport: !this.needsEvidence,
      isPlanted,
    };
    this.stepContext = { record: this.record, context };
    return context;
  }

  /** On a version path, that of its step: what is behind it counts from where it began. */
  override targetIndexAt(position: number): number {
    return super.targetIndexAt(position) + stepOf(this.flagsAt(position));
  }

  /** It moves together with one that failed, and is offered what it ran before. */
  isGoingBack(position: number): boolean {
    return isGoingBack(this.flagsAt(position));
  }

  /** What it ran before is known, and can be offered. */
  canGoBack(position: number): boolean {
    return this.needsEvidence && this.previousTarget(this.previousAt(position)) !== null;
  }

  private previousAt(position: number): number {
    const { page, index } = this.cell(position);
    return page.previous[index] ?? UNKNOWN_RELEASE;
  }

  override targetAt(position: number): PlanTarget {
    if (!this.isGoingBack(position)) return super.targetAt(position);
    const target = this.previousTarget(this.previousAt(position));
    assert(target !== null, "who goes back has something to go back to");
    return target;
  }

  /** While groups may go back, what each of them ran is known only then. */
  override get isUniform(): boolean {
    return this.record.spec.together === "" && super.isUniform;
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

  /** Of the device's time zone, as of the last tick. Who goes back waits for none. */
  isWindowClosed(position: number, window: WindowKind): boolean {
    if (this.columns.zones === null || this.isGoingBack(position)) return false;
    return isClosed(this.record.progress.zones[this.columns.zones[position] ?? 0], window);
  }

  /** Attempts that waited for this window go on with what is left of their deadlines. */
  windowOpened({ zone, window, closedAtMs }: WindowOpened): void {
    for (const held of this.pages) {
      const changed = skipClosedTime(held.page, {
        zone,
        window,
        zoneAt: (at) => (this.isGoingBack(at) ? -1 : (this.columns.zones?.[at] ?? -1)),
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

  /** One of those that it moves together with has failed, and it has not begun. Neutral. */
  keepBack(position: number): void {
    const held = this.heldAt(position);
    keepBack(held.page, position % CELLS_PER_PAGE, this.nowTicks);
    this.touch(held);
  }

  /** One of those that it moves together with has failed, and it took the release. */
  beginWayBack(position: number): void {
    assert(this.canGoBack(position), "who goes back has something to go back to");
    const held = this.heldAt(position);
    beginWayBack(held.page, position % CELLS_PER_PAGE, this.nowTicks);
    this.touch(held);
  }

  /** Its device left; false when it was offered something already. */
  withdraw(position: number): boolean {
    return this.letGo(position, withdraw);
  }

  /** Its device was retired; false when nothing of it is open. */
  retire(position: number): boolean {
    return this.letGo(position, retire);
  }

  private letGo(position: number, how: typeof retire): boolean {
    const held = this.heldAt(position);
    if (!how(held.page, position % CELLS_PER_PAGE, this.nowTicks)) return false;
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

  /** What must be committed: the record when it changed, and the pages that changed. */
  pendingWrites(): { documents: DocumentWrite[]; pages: PageWrite[] } {
    const documents: DocumentWrite[] = [];
    const { finalCounts, number, progress } = this.record;
    const pages = [...dirtyWrites(this.pages, number), ...this.planWrites(number)];
    const isOver = isEnded(progress.state);
    // One that had ended may have been rolled back meanwhile.
    const isOverAgain = isOver && !isEnded(this.savedRecord.progress.state);
    if (isOver && (finalCounts === null || isOverAgain || pages.length > 0)) {
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
