// SPDX-License-Identifier: Apache-2.0
/**
 * Two plans beside each other: who is in one of them only, and who is in an earlier or a later wave
 * than before. Linear in the devices, in packed arrays: a million take some ten milliseconds.
 */
import type { WaveRange } from "./rollout.ts";

export interface ComparedPlan {
  /** By position. */
  readonly ordinals: Uint32Array;
  readonly waves: readonly WaveRange[];
}

/** How many, and the first of them in order of the plan. */
export interface DeviceGroup {
  readonly deviceCount: number;
  /** At most `DIFF_SAMPLE`. */
  readonly ordinals: readonly number[];
}

export const DIFF_GROUPS = ["added", "removed", "earlier", "later", "same"] as const;
export type PlanDiff = { readonly [group in (typeof DIFF_GROUPS)[number]]: DeviceGroup };

export const DIFF_SAMPLE = 5;

export function diffPlans(before: ComparedPlan, after: ComparedPlan): PlanDiff {
  const groups = {
    added: new GroupCounter(),
    removed: new GroupCounter(),
    earlier: new GroupCounter(),
    later: new GroupCounter(),
    same: new GroupCounter(),
  };
  const waveBefore = wavesByOrdinal(before);
  const waveAfter = wavesByOrdinal(after);
  for (const ordinal of after.ordinals) {
    const from = waveBefore[ordinal] ?? 0;
    const to = waveAfter[ordinal] ?? 0;
    if (from === 0) groups.added.count(ordinal);
    else if (to === from) groups.same.count(ordinal);
    else (to < from ? groups.earlier : groups.later).count(ordinal);
  }
  for (const ordinal of before.ordinals) {
    if ((waveAfter[ordinal] ?? 0) === 0) groups.removed.count(ordinal);
  }
  return groups;
}

class GroupCounter implements DeviceGroup {
  deviceCount = 0;
  readonly ordinals: number[] = [];

  count(ordinal: number): void {
    this.deviceCount++;
    if (this.ordinals.length < DIFF_SAMPLE) this.ordinals.push(ordinal);
  }
}

/** The wave's number, from 1, by ordinal; 0 = not in the plan. */
function wavesByOrdinal({ ordinals, waves }: ComparedPlan): Uint16Array {
  let highest = 0;
  for (const ordinal of ordinals) highest = Math.max(highest, ordinal);
  const numbers = new Uint16Array(highest + 1);
  waves.forEach(({ start, end }, wave) => {
    for (let position = start; position < end; position++) {
      numbers[ordinals[position] ?? 0] = wave + 1;
    }
  });
  return numbers;
}
