// SPDX-License-Identifier: Apache-2.0
/**
 * The sequential test: is it evident by now that more than `maxRate` of all attempts would fail? It
 * may be asked after every report, as often as one likes, and cries wolf in at most
 * `falseAlarmRate` of all rollouts whose true failure rate is within the limit.
 *
 * Evidence is a mixture of likelihood ratios over a grid of worse rates p₁ > p₀ = `maxRate`:
 *
 *     M(k, n) = Σ wᵢ · (p₁ᵢ / p₀)ᵏ · ((1 − p₁ᵢ) / (1 − p₀))ⁿ⁻ᵏ
 *
 * Each term is a supermartingale that starts at 1 while the true rate is at most p₀, so the mixture
 * is one too, and by Ville's inequality it ever reaches 1/α with probability at most α (Wald 1945;
 * Robbins 1970; Lindon, Sanden and Shirikian, arXiv 2205.14762).
 *
 * n must be what was *accepted*, k the failures so far, and whatever is undecided a non-failure. M
 * grows with k, so this M never exceeds the one that counts the failures still to come, which is
 * the supermartingale. With n = decided the guarantee is gone: failures are known early, successes
 * only after the soak, so the decided ones always look worse than they are.
 *
 * Limits: n up to 2^32 at full precision (sums of logarithms, no product ever overflows); a verdict
 * is one pass over the grid, a microsecond, and no table is kept.
 */
import { assert } from "./assert.ts";

/**
 * Rates tested, spaced evenly in log p₁ between p₀ and 1: at p₀ = 1 % neighbours lie a fifth apart,
 * so the one nearest to the true rate costs at most a few devices more than the rate itself would.
 */
const GRID_SIZE = 24;

export interface SequentialTest {
  /** Both as fractions. */
  readonly maxRate: number;
  readonly falseAlarmRate: number;
  /** log M; 0 = nothing is known yet. `failures` ≤ `accepted`. */
  readonly logEvidence: (failures: number, accepted: number) => number;
  /** Evidence from which on it is evident, however many there are: log 1/α (Ville). */
  readonly logThreshold: number;
}

/** 0 < `maxRate` < 1 and 0 < `falseAlarmRate` < 1. */
export function createSequentialTest(options: {
  maxRate: number;
  falseAlarmRate: number;
}): SequentialTest {
  const { maxRate, falseAlarmRate } = options;
  assert(maxRate > 0 && maxRate < 1, "a failure rate that is tested is above 0 and below 1");
  assert(falseAlarmRate > 0 && falseAlarmRate < 1, "a false-alarm rate is above 0 and below 1");
  const { perFailure, perOther } = gridOf(maxRate);
  const logWeight = -Math.log(GRID_SIZE);
  return {
    maxRate,
    falseAlarmRate,
    logThreshold: -Math.log(falseAlarmRate),
    logEvidence: (failures, accepted) => {
      const others = accepted - failures;
      let highest = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < GRID_SIZE; i++) {
        const term = failures * (perFailure[i] ?? 0) + others * (perOther[i] ?? 0);
        if (term > highest) highest = term;
      }
      // Relative to the highest term none overflows, and the highest itself is never lost.
      let sum = 0;
      for (let i = 0; i < GRID_SIZE; i++) {
        sum += Math.exp(failures * (perFailure[i] ?? 0) + others * (perOther[i] ?? 0) - highest);
      }
      return logWeight + highest + Math.log(sum);
    },
  };
}

/** log p₁/p₀ and log (1−p₁)/(1−p₀) of every rate of the grid. */
function gridOf(maxRate: number): { perFailure: Float64Array; perOther: Float64Array } {
  const perFailure = new Float64Array(GRID_SIZE);
  const perOther = new Float64Array(GRID_SIZE);
  const width = -Math.log(maxRate) / GRID_SIZE;
  for (let i = 0; i < GRID_SIZE; i++) {
    // The middle of each step: p₁ is never p₀, which proves nothing, nor 1, whose log is infinite.
    const gain = (i + 0.5) * width;
    perFailure[i] = gain;
    perOther[i] = Math.log1p(-maxRate * Math.exp(gain)) - Math.log1p(-maxRate);
  }
  return { perFailure, perOther };
}
