// SPDX-License-Identifier: Apache-2.0
/**
 * When each wave of a plan is expected to begin and to end: if every attempt takes as long as is
 * usual, nobody is offline and nobody fails. An estimate to review a plan by, not a promise.
 */
import type { PlanLimits, WaveRange } from "./rollout.ts";

export interface ExpectedTimes {
  /** Since the start of the rollout. */
  readonly startMs: number;
  readonly endMs: number;
}

/** `attemptMs`: from the offer to the end of the soak. */
export function expectTimes(
  waves: readonly WaveRange[],
  limits: PlanLimits,
  attemptMs: number,
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
    const times = { startMs, endMs: startMs + rounds * attemptMs };
    startMs = times.endMs;
    return times;
  });
}
