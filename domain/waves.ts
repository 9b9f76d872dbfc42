// SPDX-License-Identifier: Apache-2.0
/** Cuts the order of a plan into waves: those of the spec, or those of its exponential ramp. */
import { MusterError } from "./errors.ts";
import type { RolloutSpec, WaveRange } from "./rollout.ts";
import type { ExponentialStrategy } from "./strategy.ts";
import { formatAmount, limitOf, sizeOf } from "./units.ts";

/** More waves than this say the same thing more slowly. */
export const MAX_WAVES = 100;

/**
 * Contiguous ranges that cover `total` positions once. `border`: where the last, critical part of
 * the order begins; no wave reaches across it.
 */
export function cutWaves(spec: RolloutSpec, total: number, border: number): WaveRange[] {
  const ends = new Set([border, total]);
  let end = 0;
  for (const size of waveSizes(spec, total)) {
    end = Math.min(total, end + size);
    ends.add(end);
    if (end === total) break;
  }
  ends.delete(0);
  const sorted = [...ends].sort((a, b) => a - b);
  return sorted.map((each, index) => ({ start: sorted[index - 1] ?? 0, end: each }));
}

/** Sizes in order, perhaps more than fit; what they leave over is a wave of its own. */
function waveSizes(spec: RolloutSpec, total: number): Iterable<number> {
  if (spec.strategy.kind !== "exponential") return spec.waves.map((size) => sizeOf(size, total));
  return rampSizes(spec.strategy, total);
}

function* rampSizes(strategy: ExponentialStrategy, total: number): Generator<number> {
  const cap = Math.max(1, limitOf(strategy.cap, total));
  let size = Math.max(1, sizeOf(strategy.first, total));
  let waveCount = 0;
  for (let covered = 0; covered < total;) {
    if (++waveCount > MAX_WAVES) throw tooManyWaves(strategy, total);
    const wave = Math.min(Math.floor(size), cap);
    covered += wave;
    yield wave;
    size = Math.min(cap, size * strategy.factor);
  }
}

function tooManyWaves(strategy: ExponentialStrategy, total: number): MusterError {
  return new MusterError({
    code: "failed_precondition",
    message:
      `the ramp up to ${formatAmount(strategy.cap)} a wave needs more than ${MAX_WAVES} waves ` +
      `for ${total} devices`,
    detail: { field: "spec.strategy.exponential.cap", hint: "raise cap, first or factor" },
  });
}
