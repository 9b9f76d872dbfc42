// SPDX-License-Identifier: Apache-2.0
/**
 * How a rollback goes. It is a rollout of its own, and a change of its own: what a device ran
 * before may not start any more on what the bad release left behind. So it may have waves and a
 * gate; it has none where nobody asks for them, because its devices run what is known to be bad.
 *
 * Who took the bad release first goes back first: they have run it for the longest, and critical
 * devices, which come last in every rollout, are the last to try whether going back works.
 */
import { DEFAULT_SPEC, type PlanLimits, type RolloutSpec, type WaveRange } from "./rollout.ts";
import { limitOf } from "./units.ts";
import { cutWaves } from "./waves.ts";
import { NO_WINDOWS } from "./zone-windows.ts";

export interface PlannedRollback {
  readonly spec: RolloutSpec;
  readonly limits: PlanLimits;
  readonly waves: readonly WaveRange[];
}

export function planRollback(parent: RolloutSpec, deviceCount: number): PlannedRollback {
  const { waves, maxInFlight, minSuccessPercent } = parent.rollback;
  const spec: RolloutSpec = {
    ...parent,
    strategy: { kind: "fixed" },
    joiners: "never",
    leavers: "keep",
    together: "",
    waves,
    maxInFlight,
    blastRadius: { percent: 100 },
    gate: {
      ...DEFAULT_SPEC.gate,
      maxFailures: { count: deviceCount },
      maxFailureRatePercent: 100,
      minSuccessPercent,
    },
    // What it ran before is proven.
    soakMs: 0,
    onStop: "pause",
    // What is known to be bad goes at any hour.
    notBeforeMs: 0,
    expiresAtMs: 0,
    windows: NO_WINDOWS,
    approval: "none",
    after: [],
  };
  return {
    spec,
    limits: {
      maxInFlight: Math.min(Math.max(1, limitOf(maxInFlight, deviceCount)), deviceCount),
      blastRadius: deviceCount,
      maxFailures: deviceCount,
      maxFailureRatePercent: 100,
      window: null,
      // Never two controllers of one site at once: going back is no exception.
      maxInFlightPerGateway: parent.maxInFlightPerGateway,
      maxInFlightPerSite: parent.maxInFlightPerSite,
    },
    waves: cutWaves(spec, deviceCount, deviceCount),
  };
}
