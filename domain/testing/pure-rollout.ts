// SPDX-License-Identifier: Apache-2.0
/**
 * One rollout as the center holds it, without a center: a page of attempts, the engine's progress
 * and nothing else. At most 4,096 devices, so one page is all there is.
 */
import { assert } from "../assert.ts";
import { ATTEMPT_STATES, CELL_FLAGS } from "../attempt.ts";
import { countPage, type AttemptCounts } from "../attempt-counts.ts";
import {
  createAttemptPage,
  decodeAttemptPage,
  encodeAttemptPage,
  growAttemptPage,
  PAGE_TICK_MS,
  type AttemptPage,
} from "../attempt-page.ts";
import { withdraw } from "../attempt-step.ts";
import { addJoined, mayLeave, waveAt, waveOfJoiners } from "../membership.ts";
import { groupsOf, judgeGroup, type GroupVerdict } from "../groups.ts";
import { isGoingBack, stepOf } from "../path-step.ts";
import { NO_PLACE } from "../place-loads.ts";
import type { RollbackCell } from "../rollback.ts";
import type { RolloutFrame } from "../rollout-engine.ts";
import { SliceTally, type GateSight } from "../slice-tally.ts";
import { extendSlices, NO_SLICE, UNSLICED, type SlicedPlan } from "../slices.ts";
import {
  DEFAULT_SPEC,
  INITIAL_PROGRESS,
  type PlanLimits,
  type RolloutProgress,
  type RolloutSpec,
  type WaveRange,
} from "../rollout.ts";
import { isClosed } from "../zone-progress.ts";
import {
  createZoneWindows,
  hasWindows,
  type WindowKind,
  type WindowPolicy,
  type ZoneWindows,
} from "../zone-windows.ts";
import type { SlotName } from "./slots.ts";

export interface PureRolloutOptions {
  readonly number: number;
  readonly spec: RolloutSpec;
  readonly waves: readonly WaveRange[];
  readonly limits: PlanLimits;
  /** Device by position. */
  readonly devices: readonly number[];
  /** Release that each position is to run; 0 = nothing. */
  readonly targets: readonly number[];
  /** By position: it moves together with the one before. Absent = nobody does. */
  readonly together?: readonly boolean[];
  /** Releases of a version path, in order; a target is where its device begins. Absent = none. */
  readonly path?: readonly number[];
  /** `siteKey` by position; no site where nothing is said. */
  readonly sites?: readonly number[];
  readonly parent: PureRollout | null;
  readonly offerLifetimeMs: number;
  /** Switches for planted bugs; none where nothing is said. */
  readonly isPlanted?: (name: string) => boolean;
  /** By position; none where the spec has no windows. */
  readonly zones?: readonly string[];
  /** Default: the app's. */
  readonly slot?: SlotName;
  /** What goes first on every device that both have. */
  readonly after?: readonly PureRollout[];
  /** Default: nothing is told apart. */
  readonly sliced?: SlicedPlan;
}

/** What the center knows of a device that joins. */
export interface Joiner {
  /** `siteKey`. */
  readonly site: number;
  readonly zone: string;
  readonly like: number;
  /** In the last wave in any case: it is critical. */
  readonly isLast: boolean;
}

export class PureRollout {
  readonly number: number;
  readonly frame: RolloutFrame;
  readonly waves: readonly WaveRange[];
  readonly devices: number[];
  readonly targets: number[];
  private readonly path: readonly number[];
  readonly together: readonly boolean[];
  readonly sites: number[];
  readonly parent: PureRollout | null;
  readonly slot: SlotName;
  readonly after: readonly PureRollout[];
  private readonly positions: Map<number, number>;
  page: AttemptPage;
  private sliced: SlicedPlan;
  child: PureRollout | null = null;
  progress: RolloutProgress = { ...INITIAL_PROGRESS, state: "planned" };
  sweptAtTicks = 0;
  readonly isPlanted: (name: string) => boolean;
  zoneIndexes: number[] = [];

  constructor(options: PureRolloutOptions) {
    this.number = options.number;
    this.waves = options.waves;
    this.devices = [...options.devices];
    this.targets = [...options.targets];
    this.path = options.path ?? [];
    this.together = options.together ?? [];
    this.sites = [...(options.sites ?? [])];
    this.parent = options.parent;
    this.slot = options.slot ?? "app";
    this.after = options.after ?? [];
    this.positions = new Map(options.devices.map((device, position) => [device, position]));
    this.page = createAttemptPage(0, options.devices.length);
    this.isPlanted = options.isPlanted ?? (() => false);
    this.sliced = options.sliced ?? UNSLICED;
    this.frame = {
      spec: options.spec,
      limits: options.limits,
      waveTotal: options.waves.length,
      isRollback: options.parent !== null,
      offerLifetimeMs: options.offerLifetimeMs,
      zones: this.readZones(options),
    };
  }

  private readZones({ spec, waves, zones = [] }: PureRolloutOptions): ZoneWindows | null {
    if (!hasWindows(spec.windows)) return null;
    const names = [...new Set(zones)];
    this.zoneIndexes = zones.map((name) => names.indexOf(name));
    const byWave = waves.map(({ start, end }) => [...new Set(this.zoneIndexes.slice(start, end))]);
    return createZoneWindows({ policy: spec.windows, names, byWave });
  }

  /** Who goes back waits for none. */
  isWindowClosed(position: number, window: WindowKind): boolean {
    if (this.isGoingBack(position)) return false;
    return isClosed(this.progress.zones[this.zoneIndexes[position] ?? -1], window);
  }

  /** What the offer tells the device; null = it may do everything at any time. */
  windowsAt(position: number): { policy: WindowPolicy; zone: string } | null {
    const { zones } = this.frame;
    const zone = zones?.names[this.zoneIndexes[position] ?? -1];
    return zones === null || zone === undefined ? null : { policy: zones.policy, zone };
  }

  get nowTicks(): number {
    return Math.floor(this.progress.clockMs / PAGE_TICK_MS);
  }

  get counts(): AttemptCounts[] {
    return countPage(this.page, this.waves, this.isPlanted, this.progress.joined);
  }

  get total(): AttemptCounts {
    const [all] = countPage(this.page, [{ start: 0, end: this.devices.length }], this.isPlanted);
    assert(all !== undefined, "one wave of everybody is counted");
    return all;
  }

  /** By slice and site, counted anew each time, as after a restart. */
  get sight(): GateSight {
    const tally = new SliceTally(this.sliced);
    tally.look(this.page);
    const held = this.progress.heldSlices.map(({ slice }) => slice);
    return tally.sight(() => [this.page], this.waves, held, this.progress.joined);
  }

  /** Nothing is offered to it: its slice is held. */
  isHeld(position: number): boolean {
    return this.progress.heldSlices.some(({ slice }) =>
      this.sliced.columns.some((column) => column[position] === slice),
    );
  }

  /** Its wave is open. */
  isReleased(position: number): boolean {
    return this.waveOf(position) < this.progress.waveCount;
  }

  /** Index of its wave, planned or joined. */
  waveOf(position: number): number {
    return waveAt(this.waves, this.progress.joined, position);
  }

  /**
   * A device that came after the plan was frozen; false when nobody may join now. `place.like`: a
   * position whose slices it shares, −1 = it is in none.
   */
  join(device: number, target: number, place: Joiner): boolean {
    const { progress, frame } = this;
    const { joiners } = frame.spec;
    const { isLast } = place;
    const wave = waveOfJoiners(joiners, progress, frame.waveTotal, isLast, this.isPlanted);
    if (wave === null || this.positions.has(device)) return false;
    const position = this.devices.push(device) - 1;
    this.positions.set(device, position);
    this.sliced = extendSlices(this.sliced, this.sites, [
      {
        site: place.site,
        slices: this.sliced.columns.map((column) => column[place.like] ?? NO_SLICE),
      },
    ]);
    this.targets[position] = target;
    this.sites[position] = place.site;
    this.zoneIndexes[position] = frame.zones?.names.indexOf(place.zone) ?? -1;
    this.page = growAttemptPage(this.page, position + 1);
    this.progress = { ...progress, joined: addJoined(progress.joined, position, 1, wave) };
    return true;
  }

  /** Its device matches the selector no more; false when nothing comes of it. */
  leave(position: number): boolean {
    if (!mayLeave(this.frame.spec.leavers, this.progress.state)) return false;
    return withdraw(this.page, position, this.nowTicks);
  }

  /** What it is to run now: on a version path, the release of its step. */
  targetAt(position: number): number {
    if (this.isGoingBack(position)) return this.page.previous[position] ?? 0;
    const start = this.targets[position] ?? 0;
    const behind = stepOf(this.page.flags[position] ?? 0);
    return behind === 0 ? start : (this.path[this.path.indexOf(start) + behind] ?? start);
  }

  hasNextStep(position: number): boolean {
    return this.path.length > 0 && this.targetAt(position) !== this.path.at(-1);
  }

  /** One that it moves together with has failed, and it took the release. */
  isGoingBack(position: number): boolean {
    return isGoingBack(this.page.flags[position] ?? 0);
  }

  /** Groups of which one has failed. */
  failedGroups(): Iterable<WaveRange> {
    const failed = [...this.devices.keys()].filter(
      (at) => ((this.page.flags[at] ?? 0) & CELL_FLAGS.failed) !== 0,
    );
    const isTogether = (at: number): boolean => this.together[at] === true;
    return groupsOf({ positionCount: this.devices.length, isTogether }, failed);
  }

  /** May it be offered something, as far as those go that it moves together with? */
  groupVerdict(position: number, isReachable: (position: number) => boolean): GroupVerdict {
    const cells = {
      positionCount: this.devices.length,
      isTogether: (at: number) => this.together[at] === true,
      stateOf: (at: number) => this.page.state[at] ?? 0,
      flagsOf: (at: number) => this.page.flags[at] ?? 0,
    };
    return judgeGroup(cells, position, isReachable, this.isPlanted);
  }

  /** −1: the device is not in its plan. */
  positionOf(device: number): number {
    return this.positions.get(device) ?? -1;
  }

  siteAt(position: number): number {
    return this.sites[position] ?? NO_PLACE;
  }

  get isStopping(): boolean {
    return this.progress.state === "stopping" || this.progress.state === "rolling-back";
  }

  /** As it is stored and read again. */
  reload(): void {
    this.page = decodeAttemptPage(0, encodeAttemptPage(this.page));
    this.progress = JSON.parse(JSON.stringify(this.progress)) as RolloutProgress;
    this.sweptAtTicks = this.nowTicks;
  }

  /** Every cell, in order of position. */
  *cells(): Generator<RollbackCell> {
    for (let index = 0; index < this.page.cellCount; index++) yield { page: this.page, index };
  }

  stateOf(position: number): string {
    return ATTEMPT_STATES[this.page.state[position] ?? 0] ?? "";
  }
}

/** `overrides` over a spec with short, round deadlines: a minute where nothing else is said. */
export function specOf(overrides: Partial<RolloutSpec> = {}): RolloutSpec {
  return {
    ...DEFAULT_SPEC,
    release: "app@2",
    selector: "",
    waves: [],
    soakMs: 10_000,
    deadlines: {
      reachMs: 60_000,
      downloadMs: 60_000,
      waitingMs: 60_000,
      installMs: 60_000,
      verifyMs: 60_000,
      offlineGraceMs: 600_000,
    },
    ...overrides,
  };
}
