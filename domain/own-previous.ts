// SPDX-License-Identifier: Apache-2.0
/**
 * What a device goes back to is what it ran when it took the release up. At its offer that is a
 * forecast: work of another rollout, accepted before and not heard of yet, may still end until the
 * offer is taken. So it is noted again while the device says that it has not installed yet.
 */
import { ATTEMPT } from "./attempt.ts";
import type { AttemptPage } from "./attempt-page.ts";
import { isGoingBack } from "./path-step.ts";

/**
 * Dictionary indexes. `runs`: what the device runs, as it was told last; neither nothing (0) nor
 * what is not known (−1) is a release to go back to. `target`: what it is to run.
 */
export interface RunningSight {
  readonly runs: number;
  readonly target: number;
}

/** Offered, or at work and not installing, as far as anybody has heard. */
export function mayNotHaveInstalled(state: number): boolean {
  return state >= ATTEMPT.offered && state <= ATTEMPT.downloaded;
}

/**
 * Of a cell in such a state. One that shows its target has installed it, and its words are on their
 * way. True when the page has changed.
 */
export function noteOwnPrevious(
  page: AttemptPage,
  cell: number,
  { runs, target }: RunningSight,
): boolean {
  if (runs <= 0 || runs === target || runs === page.previous[cell]) return false;
  // What it goes back to is its target now.
  if (isGoingBack(page.flags[cell] ?? 0)) return false;
  page.previous[cell] = runs;
  return true;
}
