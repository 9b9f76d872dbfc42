// SPDX-License-Identifier: Apache-2.0
/**
 * Version floors: a release may name the lowest version from which it can be installed. A device
 * that runs a lower one gets there step by step, and each step is a release of its own with
 * evidence of its own. Which steps, is resolved when the plan is made, for each device.
 *
 * All paths to a release are ends of one chain: before a release with a floor comes the lowest
 * published version at the floor or above it, before that one what its own floor asks for, and so
 * on. A device begins at the last release of the chain whose floor it has reached. A floor is
 * always below the version that has it, so a chain has no cycle.
 */
import type { DeviceFacts } from "./device.ts";
import { compareVersions, isPreRelease } from "./version.ts";

export interface FloorRelease {
  readonly version: string;
  /** The lowest version from which it can be installed; "" = any. */
  readonly floor: string;
}

/** A device draws at most ten generations in a rollout, and each step takes one. */
export const MAX_PATH_STEPS = 5;

/** `>=2.0.0` → `2.0.0`; null = it is not of that form. The version itself is not checked. */
export function floorIn(requires: string): string | null {
  return /^>=\s*(\S+)$/.exec(requires)?.[1] ?? null;
}

/** The chain that ends in `target`. `published`: releases of the same name and slot. */
export function chainTo<Release extends FloorRelease>(
  target: Release,
  published: readonly Release[],
): readonly Release[] {
  const chain = [target];
  for (let next = target; next.floor !== "" && chain.length < MAX_PATH_STEPS;) {
    const step = lowestStep(next, published);
    if (step === null) break;
    chain.unshift(step);
    next = step;
  }
  return chain;
}

/** The lowest published version from which it can be installed; null = none is below it. */
export function lowestStep<Release extends FloorRelease>(
  { version, floor }: FloorRelease,
  published: readonly Release[],
): Release | null {
  let lowest: Release | null = null;
  for (const release of published) {
    if (isPreRelease(release.version) || compareVersions(release.version, floor) < 0) continue;
    if (compareVersions(release.version, version) >= 0) continue;
    if (lowest === null || compareVersions(release.version, lowest.version) < 0) lowest = release;
  }
  return lowest;
}

/** What a device runs: nothing, a version of the same release, or something else or not known. */
export type RunningVersion =
  | { readonly kind: "nothing" }
  | { readonly kind: "version"; readonly version: string }
  | { readonly kind: "unknown" };

export type PathExclusion = "version-unknown" | "no-path";

/** Index of the release of the chain with which the device begins, or why it has no path. */
export function startOf(
  chain: readonly FloorRelease[],
  running: RunningVersion,
): number | PathExclusion {
  const last = chain.length - 1;
  if (chain[last]?.floor === "" || running.kind === "nothing") return last;
  if (running.kind === "unknown") return "version-unknown";
  for (let index = last; index >= 0; index--) {
    const floor = chain[index]?.floor ?? "";
    if (floor === "" || compareVersions(running.version, floor) >= 0) return index;
  }
  return "no-path";
}

/** The chain as the planner needs it. */
export interface PlannedPath {
  readonly chain: readonly (FloorRelease & {
    readonly fits: { readonly [fact: string]: readonly string[] };
    readonly downloadBytes: number;
  })[];
  readonly runs: (device: DeviceFacts) => RunningVersion;
}

/** Index of the device's first release of the chain, or why it has none; no path: the only one. */
export function placeOn(
  path: PlannedPath | undefined,
  device: DeviceFacts,
): number | PathExclusion {
  return path === undefined ? 0 : startOf(path.chain, path.runs(device));
}

/** Whole releases of all steps from `start` on; null = it is the last one, and measured better. */
export function bytesFrom({ chain }: PlannedPath, start: number): number | null {
  if (start === chain.length - 1) return null;
  return chain.slice(start).reduce((sum, { downloadBytes }) => sum + downloadBytes, 0);
}

/** Devices of a plan that begin with the same release of the chain. */
export interface PlannedStart {
  readonly start: number;
  readonly deviceCount: number;
  /** First ids in order of ordinal, at most SAMPLE_SIZE. */
  readonly sample: readonly string[];
}

/** Counts who begins where, as devices are added to a plan. */
export class StartCounter {
  private readonly counted = new Map<number, { deviceCount: number; sample: string[] }>();
  private readonly sampleSize: number;

  constructor(sampleSize: number) {
    this.sampleSize = sampleSize;
  }

  add(start: number, id: string): void {
    const entry = this.counted.get(start) ?? { deviceCount: 0, sample: [] };
    entry.deviceCount++;
    if (entry.sample.length < this.sampleSize) entry.sample.push(id);
    this.counted.set(start, entry);
  }

  /** The longest way first. */
  get starts(): PlannedStart[] {
    return [...this.counted]
      .sort(([a], [b]) => a - b)
      .map(([start, entry]) => ({ start, ...entry }));
  }
}
