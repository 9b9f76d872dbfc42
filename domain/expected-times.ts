// SPDX-License-Identifier: Apache-2.0
/**
 * When each wave of a plan is expected to begin and to end: if every attempt takes as long as is
 * usual, nobody is offline and nobody fails. An estimate to review a plan by, not a promise.
 */
import type { TransferTimes } from "./bandwidth.ts";
import type { PlacedNames } from "./plan-places.ts";
import type { PlanLimits, WaveRange } from "./rollout.ts";

export interface ExpectedTimes {
  /** Since the start of the rollout. */
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * `sites` by position. `attemptMs`: from the offer to the end of the soak, without what
 * caps of the bandwidth add (`transferOf`).
 */
export function expectTimes(
  waves: readonly WaveRange[],
  limits: PlanLimits,
  sites: PlacedNames,
  attemptMs: number,
  transferOf: (wave: WaveRange) => TransferTimes = () => ({ deviceMs: 0, placeMs: 0 }),
): ExpectedTimes[] {
  let startMs = 0;
  let inFlight = limits.window?.first ?? Math.max(limits.maxInFlight, 1);
  const most = limits.window?.max ?? inFlight;
  return waves.map((wave) => {
    let rounds = 0;
    let left = wave.end - wave.start;
    for (; left > 0 && inFlight < most; rounds++) {
      left -= inFlight;
      inFlight = Math.min(most, inFlight * 2);
    }
    rounds += Math.ceil(Math.max(left, 0) / inFlight);
    if (limits.maxInFlightPerSite > 0) {
      const most = largestSite(sites, wave);
      rounds = Math.max(rounds, Math.ceil(most / limits.maxInFlightPerSite));
    }
    const { deviceMs, placeMs } = transferOf(wave);
    const isEmpty = wave.end === wave.start;
    const roundsMs = rounds * (attemptMs + deviceMs);
    const waveMs = isEmpty ? 0 : Math.max(roundsMs, attemptMs + placeMs);
    const times = { startMs, endMs: startMs + waveMs };
    startMs = times.endMs;
    return times;
  });
}

/** Devices of the wave in the site that has the most of them. */
function largestSite({ names, byPosition }: PlacedNames, { start, end }: WaveRange): number {
  const counts = new Uint32Array(names.length);
  for (const site of byPosition.subarray(start, end)) counts[site] = (counts[site] ?? 0) + 1;
  return counts.reduce(
    (most, count, site) => (names[site] === "" ? most : Math.max(most, count)),
    0,
  );
}
