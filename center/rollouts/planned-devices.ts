// SPDX-License-Identifier: Apache-2.0
/**
 * Who is where in a frozen plan. Memory: 10 bytes a position, 2 more with windows, and 4 bytes an
 * ordinal for the way back.
 */
import { assert } from "../../domain/assert.ts";
import type { PlanColumns } from "./plan-pages.ts";
import type { PlanRecord, PlanTarget } from "./rollout-record.ts";

export class PlannedDevices {
  readonly plan: PlanRecord;
  readonly columns: PlanColumns;
  private readonly positions: Int32Array;

  constructor({ plan, columns }: { plan: PlanRecord; columns: PlanColumns }) {
    this.plan = plan;
    this.columns = columns;
    this.positions = indexPositions(columns.ordinals);
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

  /** Index into `plan.targets`: what evidence is compared with, translated once by the caller. */
  targetIndexAt(position: number): number {
    return this.columns.targets[position] ?? 0;
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

  waveAt(position: number): number {
    return this.plan.waves.findIndex((wave) => position < wave.end);
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
