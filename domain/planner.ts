// SPDX-License-Identifier: Apache-2.0
/**
 * The planner: `plan(intent, inventory, seed) → Plan`, the frozen answer to "exactly which devices,
 * in which waves, who is left out and why". Pure and deterministic; it leaves no choice to whoever
 * carries it out.
 */
import { assert } from "./assert.ts";
import type { DeviceFacts } from "./device.ts";
import { hash53 } from "./hash.ts";
import type { PlanLimits, RolloutSpec, WaveRange } from "./rollout.ts";
import type { DevicePredicate } from "./selector/matches.ts";
import { limitOf, sizeOf } from "./units.ts";

export type ExclusionReason = "retired" | "does-not-fit" | "fit-unknown" | "already-running";

export interface Exclusion {
  readonly reason: ExclusionReason;
  readonly deviceCount: number;
  /** First ids in order of ordinal, at most SAMPLE_SIZE. */
  readonly sample: readonly string[];
}

export interface PlannedWave extends WaveRange {
  /** First ids, at most SAMPLE_SIZE. */
  readonly sample: readonly string[];
}

export interface Plan {
  /** Ordinal by position. Waves are contiguous ranges of positions. */
  readonly ordinals: Uint32Array;
  /** Device ids by position, for digests; not kept after planning. */
  readonly deviceIds: readonly string[];
  readonly waves: readonly PlannedWave[];
  readonly exclusions: readonly Exclusion[];
  readonly limits: PlanLimits;
  /** Worst case over the whole rollout, bytes. */
  readonly downloadBytes: number;
  /** If every phase takes as long as `expectedAttemptMs` says, and nobody is offline. */
  readonly expectedDurationMs: number;
}

export const SAMPLE_SIZE = 5;

/** What the planner needs to know of the release. */
export interface PlannedRelease {
  /** A device fits when each named inventory fact has one of the listed values. */
  readonly fits: { readonly [fact: string]: readonly string[] };
  readonly downloadBytes: number;
}

export interface PlanIntent {
  readonly spec: RolloutSpec;
  readonly release: PlannedRelease;
  readonly selects: DevicePredicate;
  /** Does the device run this very release, healthy? Then there is nothing to do. */
  readonly runsRelease: (device: DeviceFacts) => boolean;
  /** What one attempt takes without its soak; for the expected duration only. */
  readonly expectedAttemptMs: number;
}

/**
 * `inventory` in order of ordinal. The same arguments give the same plan. `isPlanted`: test-only
 * switches for planted bugs; false in production.
 */
export function planRollout(
  intent: PlanIntent,
  inventory: Iterable<DeviceFacts>,
  seed: string,
  isPlanted: (name: string) => boolean = () => false,
): Plan {
  const excluded = new Map<ExclusionReason, { count: number; sample: string[] }>();
  const chosen: { ordinal: number; id: string; place: number }[] = [];
  for (const device of inventory) {
    if (!intent.selects(device)) continue;
    const reason = exclusionOf(device, intent);
    if (reason === null) {
      chosen.push({ ordinal: device.ordinal, id: device.id, place: hash53(seed, device.id) });
      continue;
    }
    const entry = excluded.get(reason) ?? { count: 0, sample: [] };
    entry.count++;
    if (entry.sample.length < SAMPLE_SIZE) entry.sample.push(device.id);
    excluded.set(reason, entry);
  }
  chosen.sort((a, b) => a.place - b.place || a.ordinal - b.ordinal);
  const deviceIds = chosen.map((device) => device.id);
  const waves = cutWaves(intent.spec, deviceIds);
  const limits = freezeLimits(intent.spec, chosen.length, isPlanted);
  return {
    ordinals: Uint32Array.from(chosen, (device) => device.ordinal),
    deviceIds,
    waves,
    exclusions: [...excluded].map(([reason, entry]) => ({
      reason,
      deviceCount: entry.count,
      sample: entry.sample,
    })),
    limits,
    downloadBytes: chosen.length * intent.release.downloadBytes,
    expectedDurationMs: expectDuration(intent, waves, limits),
  };
}

function exclusionOf(device: DeviceFacts, intent: PlanIntent): ExclusionReason | null {
  if (device.retired) return "retired";
  for (const [fact, values] of Object.entries(intent.release.fits)) {
    if (!Object.hasOwn(device.inventory, fact)) return "fit-unknown";
    if (!values.includes(device.inventory[fact] ?? "")) return "does-not-fit";
  }
  return intent.runsRelease(device) ? "already-running" : null;
}

function cutWaves(spec: RolloutSpec, deviceIds: readonly string[]): PlannedWave[] {
  const total = deviceIds.length;
  const waves: PlannedWave[] = [];
  let start = 0;
  const push = (size: number): void => {
    const end = Math.min(total, start + size);
    if (end === start) return;
    waves.push({ start, end, sample: deviceIds.slice(start, Math.min(end, start + SAMPLE_SIZE)) });
    start = end;
  };
  for (const amount of spec.waves) push(sizeOf(amount, total));
  push(total - start);
  assert(start === total, "the waves of a plan cover every device once");
  return waves;
}

/** Percentages become numbers of devices once, at plan time. */
export function freezeLimits(
  spec: RolloutSpec,
  total: number,
  isPlanted: (name: string) => boolean = () => false,
): PlanLimits {
  // The planted bug: as a wave's size does, the limit rounds up.
  const round = isPlanted("planner.rounds-up") ? sizeOf : limitOf;
  const blastRadius = Math.min(round(spec.blastRadius, total), total);
  const maxFailures = Math.max(1, round(spec.gate.maxFailures, total));
  return {
    blastRadius,
    // More in flight than may be unproven could never be used.
    maxInFlight: Math.min(limitOf(spec.maxInFlight, total), Math.max(blastRadius, 1)),
    maxFailures,
    maxFailureRatePercent: spec.gate.maxFailureRatePercent || rateOf(maxFailures, total),
  };
}

/** Where no rate is named, the one that the limit of failures allows; under 1 % says little. */
function rateOf(maxFailures: number, total: number): number {
  return Math.min(100, Math.max(1, (100 * maxFailures) / Math.max(total, 1)));
}

function expectDuration(
  intent: PlanIntent,
  waves: readonly PlannedWave[],
  limits: PlanLimits,
): number {
  const attemptMs = intent.expectedAttemptMs + intent.spec.soakMs;
  let durationMs = 0;
  for (const wave of waves) {
    durationMs += Math.ceil((wave.end - wave.start) / Math.max(limits.maxInFlight, 1)) * attemptMs;
  }
  return durationMs;
}
