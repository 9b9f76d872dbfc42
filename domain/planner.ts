// SPDX-License-Identifier: Apache-2.0
/**
 * The planner: `plan(intent, inventory, seed) → Plan`, the frozen answer to "exactly which devices,
 * in which waves, who is left out and why". Pure and deterministic; it leaves no choice to whoever
 * carries it out.
 */
import type { DeviceFacts } from "./device.ts";
import { expectTimes, type ExpectedTimes } from "./expected-times.ts";
import { hash53 } from "./hash.ts";
import { planZones, type PlanZones } from "./plan-zones.ts";
import type { PlanLimits, RolloutSpec, WaveRange } from "./rollout.ts";
import type { DevicePredicate } from "./selector/matches.ts";
import { freezeWindow } from "./strategy.ts";
import { limitOf, sizeOf } from "./units.ts";
import { cutWaves } from "./waves.ts";

export type ExclusionReason = "retired" | "does-not-fit" | "fit-unknown" | "already-running";

export interface Exclusion {
  readonly reason: ExclusionReason;
  readonly deviceCount: number;
  /** First ids in order of ordinal, at most SAMPLE_SIZE. */
  readonly sample: readonly string[];
}

export interface PlannedWave extends WaveRange, ExpectedTimes {
  /** First ids, at most SAMPLE_SIZE. */
  readonly sample: readonly string[];
}

export interface Plan {
  /** Ordinal by position. Waves are contiguous ranges of positions. */
  readonly ordinals: Uint32Array;
  /** Device ids by position, for digests; not kept after planning. */
  readonly deviceIds: readonly string[];
  /** Sites by position, "" = none. */
  readonly sites: readonly string[];
  readonly waves: readonly PlannedWave[];
  readonly exclusions: readonly Exclusion[];
  readonly limits: PlanLimits;
  /** null without windows. */
  readonly zones: PlanZones | null;
  /** Of all devices together, before compression; see PlanIntent. */
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
  /** What the device has to fetch, given what it runs; absent = the whole release. */
  readonly downloadBytesOf?: (device: DeviceFacts) => number;
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
  const chosen: Chosen[] = [];
  for (const device of inventory) {
    if (!intent.selects(device)) continue;
    const reason = exclusionOf(device, intent);
    if (reason === null) {
      const { ordinal, id, site } = device;
      const isLast = device.critical && intent.spec.order === "critical-last";
      chosen.push({ ordinal, id, site, place: hash53(seed, id), isLast, device });
      continue;
    }
    const entry = excluded.get(reason) ?? { count: 0, sample: [] };
    entry.count++;
    if (entry.sample.length < SAMPLE_SIZE) entry.sample.push(device.id);
    excluded.set(reason, entry);
  }
  chosen.sort(
    (a, b) => Number(a.isLast) - Number(b.isLast) || a.place - b.place || a.ordinal - b.ordinal,
  );
  const border = chosen.findIndex((device) => device.isLast);
  const deviceIds = chosen.map((device) => device.id);
  const sites = chosen.map((device) => device.site);
  const limits = freezeLimits(intent.spec, chosen.length, isPlanted);
  const waves = planWaves(
    intent,
    { deviceIds, sites },
    border === -1 ? chosen.length : border,
    limits,
  );
  return {
    ordinals: Uint32Array.from(chosen, (device) => device.ordinal),
    deviceIds,
    sites,
    waves,
    exclusions: [...excluded].map(([reason, entry]) => ({
      reason,
      deviceCount: entry.count,
      sample: entry.sample,
    })),
    limits,
    zones: planZones(
      intent.spec.windows,
      chosen.map(({ device }) => device),
    ),
    downloadBytes: chosen.reduce(
      (sum, { device }) => sum + (intent.downloadBytesOf?.(device) ?? intent.release.downloadBytes),
      0,
    ),
    expectedDurationMs: waves.at(-1)?.endMs ?? 0,
  };
}

interface Chosen {
  readonly ordinal: number;
  readonly id: string;
  readonly site: string;
  readonly place: number;
  readonly isLast: boolean;
  readonly device: DeviceFacts;
}

function exclusionOf(device: DeviceFacts, intent: PlanIntent): ExclusionReason | null {
  if (device.retired) return "retired";
  for (const [fact, values] of Object.entries(intent.release.fits)) {
    if (!Object.hasOwn(device.inventory, fact)) return "fit-unknown";
    if (!values.includes(device.inventory[fact] ?? "")) return "does-not-fit";
  }
  return intent.runsRelease(device) ? "already-running" : null;
}

function planWaves(
  intent: PlanIntent,
  { deviceIds, sites }: Pick<Plan, "deviceIds" | "sites">,
  border: number,
  limits: PlanLimits,
): PlannedWave[] {
  const { spec, expectedAttemptMs } = intent;
  const waves = cutWaves(spec, deviceIds.length, border);
  const times = expectTimes(waves, limits, sites, expectedAttemptMs + spec.soakMs);
  return waves.map(({ start, end }, index) => ({
    start,
    end,
    startMs: times[index]?.startMs ?? 0,
    endMs: times[index]?.endMs ?? 0,
    sample: deviceIds.slice(start, Math.min(end, start + SAMPLE_SIZE)),
  }));
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
  // More in flight than may be unproven could never be used.
  const maxInFlight = Math.min(round(spec.maxInFlight, total), Math.max(blastRadius, 1));
  const maxFailures = Math.max(1, round(spec.gate.maxFailures, total));
  return {
    blastRadius,
    maxInFlight,
    maxFailures,
    maxFailureRatePercent: spec.gate.maxFailureRatePercent || rateOf(maxFailures, total),
    window: freezeWindow(spec.strategy, total, maxInFlight),
    maxInFlightPerGateway: spec.maxInFlightPerGateway,
    maxInFlightPerSite: spec.maxInFlightPerSite,
  };
}

/** Where no rate is named, the one that the limit of failures allows; under 1 % says little. */
function rateOf(maxFailures: number, total: number): number {
  return Math.min(100, Math.max(1, (100 * maxFailures) / Math.max(total, 1)));
}
