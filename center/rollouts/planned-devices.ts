// SPDX-License-Identifier: Apache-2.0
/**
 * Who is where in a frozen plan, and behind it who joined since. Planned positions never change;
 * pages of the plan that got joiners are written again. Memory: 10 bytes a position, 2 more with
 * windows, and 4 bytes an ordinal for the way back.
 */
import { assert } from "../../domain/assert.ts";
import { CELLS_PER_PAGE } from "../../domain/attempt-page.ts";
import { extendSlices, UNSLICED, type SlicedJoiner, type SlicedPlan } from "../../domain/slices.ts";
import type { PageWrite } from "../../ports/store.ts";
import {
  encodePlanPages,
  isTogetherIn,
  joinColumns,
  targetIn,
  type PlanColumns,
  type PlanVersions,
} from "./plan-pages.ts";
import { encodeSlicePages, isSliceOwner } from "./slice-pages.ts";
import type { PlanRecord, PlanTarget } from "./rollout-record.ts";

/** A device that joins. */
export interface Joiner extends SlicedJoiner {
  readonly ordinal: number;
  /** Index of the plan's time zones; 0 without windows. */
  readonly zone: number;
  /** Index of the plan's targets with which it begins. */
  readonly target: number;
  /** In the last wave in any case: it is critical. */
  readonly isLast: boolean;
}

export class PlannedDevices {
  readonly plan: PlanRecord;
  protected sliced: SlicedPlan;
  private held: PlanColumns;
  private positions: Int32Array;
  private readonly versions: PlanVersions;
  /** Positions that are in stored pages. */
  private storedCount: number;

  constructor(options: {
    plan: PlanRecord;
    columns: PlanColumns;
    versions?: PlanVersions;
    sliced?: SlicedPlan;
  }) {
    this.plan = options.plan;
    this.held = options.columns;
    this.sliced = options.sliced ?? UNSLICED;
    this.positions = indexPositions(this.held.ordinals);
    this.storedCount = this.held.ordinals.length;
    // A new plan is written in the commit that stores its rollout.
    const pageCount = Math.ceil(this.storedCount / CELLS_PER_PAGE);
    const first = Array.from({ length: pageCount }, () => 1);
    this.versions = options.versions ?? { plan: first, slices: [] };
  }

  get columns(): PlanColumns {
    return this.held;
  }

  /** Their time zones are those of the plan, where it has windows. */
  protected append(joiners: readonly Joiner[]): void {
    this.sliced = extendSlices(this.sliced, this.held.sites, joiners);
    const zones = this.held.zones === null ? null : Uint16Array.from(joiners, ({ zone }) => zone);
    this.held = joinColumns(this.held, {
      ordinals: Uint32Array.from(joiners, ({ ordinal }) => ordinal),
      sites: Uint32Array.from(joiners, ({ site }) => site),
      targets: Uint16Array.from(joiners, ({ target }) => target),
      zones,
    });
    this.positions = indexPositions(this.held.ordinals);
  }

  /** Pages with somebody who is in no stored one. */
  protected planWrites(rolloutNumber: number): PageWrite[] {
    if (this.storedCount === this.ordinals.length) return [];
    const from = Math.floor(this.storedCount / CELLS_PER_PAGE);
    const { plan, slices } = this.versions;
    return [
      ...encodePlanPages(rolloutNumber, this.held, { from, versions: plan }),
      ...encodeSlicePages(rolloutNumber, this.sliced, { from, versions: slices }),
    ];
  }

  protected planCommitted(writes: readonly PageWrite[]): void {
    for (const { kind, owner, number, expectedVersion } of writes) {
      if (kind !== "plan") continue;
      const versions = isSliceOwner(owner) ? this.versions.slices : this.versions.plan;
      versions[number] = expectedVersion + 1;
    }
    this.storedCount = this.ordinals.length;
  }

  get ordinals(): Uint32Array {
    return this.columns.ordinals;
  }

  /** −1 when the device is not in the plan. */
  positionOf(ordinal: number): number {
    return (this.positions[ordinal] ?? 0) - 1;
  }

  ordinalAt(position: number): number {
    return this.ordinals[position] ?? 0;
  }

  targetAt(position: number): PlanTarget {
    const target = this.plan.targets[this.targetIndexAt(position)];
    assert(target !== undefined, "every position of a plan has a target");
    return target;
  }

  /** Every device is told the same. */
  get isUniform(): boolean {
    return this.plan.targets.length === 1 && this.columns.zones === null;
  }

  /** Index into `plan.targets`: what evidence is compared with, translated once by the caller. */
  targetIndexAt(position: number): number {
    return targetIn(this.columns.targets[position] ?? 0);
  }

  /** It moves together with the device before it. */
  isTogether(position: number): boolean {
    return isTogetherIn(this.columns.targets[position] ?? 0);
  }

  /** `siteKey` of its device's site; 0 = none. */
  siteAt(position: number): number {
    return this.columns.sites[position] ?? 0;
  }

  /** The device's time zone by name; "" without windows. */
  zoneAt(position: number): string {
    const index = this.columns.zones?.[position];
    return index === undefined ? "" : (this.plan.zones[index]?.name ?? "");
  }
}

/** position + 1 by ordinal; 0 = not in the plan. */
function indexPositions(ordinals: Uint32Array): Int32Array {
  let highest = 0;
  for (const ordinal of ordinals) highest = Math.max(highest, ordinal);
  const positions = new Int32Array(highest + 1);
  ordinals.forEach((ordinal, position) => {
    positions[ordinal] = position + 1;
  });
  return positions;
}
