// SPDX-License-Identifier: Apache-2.0
/**
 * The window of an adaptive rollout: how many attempts may be in flight now. It grows and shrinks
 * as a TCP sender's does, with the gate's success rate for a lost packet:
 *
 * - A round is as many decided attempts as the window was large when it began.
 * - A round with at least `minSuccessPercent` successes doubles the window; after the first bad
 *   round it adds `first` instead.
 * - As soon as so many failed that a round cannot reach `minSuccessPercent` any more, the window is
 *   halved and a new round begins. A burst of failures halves it more than once.
 *
 * Invariant: min ≤ size ≤ max. A window that shrinks takes nothing back: what is in flight beyond
 * it is decided first.
 */
import type { WindowLimits } from "./strategy.ts";

/** Small, stored with the rollout's progress. */
export interface AdaptiveWindow {
  readonly size: number;
  /** No round has been bad yet: a good one doubles the window. */
  readonly isDoubling: boolean;
  /** Successes and failures of the rollout when the round began. */
  readonly succeededBefore: number;
  readonly failedBefore: number;
}

export function openWindow(limits: WindowLimits): AdaptiveWindow {
  return { size: limits.first, isDoubling: true, succeededBefore: 0, failedBefore: 0 };
}

/** Takes the rollout's counts into account; the same window when the round goes on. */
export function stepWindow(
  window: AdaptiveWindow,
  limits: WindowLimits,
  counts: { succeeded: number; failures: number },
  minSuccessPercent: number,
): AdaptiveWindow {
  const { size, isDoubling } = window;
  const succeeded = counts.succeeded - window.succeededBefore;
  const failed = counts.failures - window.failedBefore;
  const next = { succeededBefore: counts.succeeded, failedBefore: counts.failures };
  if (failed * 100 > (100 - minSuccessPercent) * size) {
    return { ...next, size: Math.max(limits.min, Math.floor(size / 2)), isDoubling: false };
  }
  if (succeeded + failed < size) return window;
  const grown = isDoubling ? size * 2 : size + limits.first;
  return { ...next, size: Math.min(limits.max, grown), isDoubling };
}
