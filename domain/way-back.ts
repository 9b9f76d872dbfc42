// SPDX-License-Identifier: Apache-2.0
/**
 * What becomes of an attempt whose group has failed: one that has not begun is kept back, one that
 * took the release goes back to what its device ran before, under a new generation of the same
 * attempt. It is pending again, counts as reached for ever, and has failed only if it fails itself.
 */
import { ATTEMPT, CELL_FLAGS, isUnderWay, reasonCode } from "./attempt.ts";
import type { AttemptPage } from "./attempt-page.ts";
import { enter, unflag } from "./attempt-step.ts";
import { withWayBack } from "./path-step.ts";

/** It was not offered anything, or stands on a step that it has proven: it stays there. Neutral. */
export function keepBack(page: AttemptPage, cell: number, nowTicks: number): void {
  page.reason[cell] = reasonCode("group-failed");
  enter(page, cell, ATTEMPT.cancelled, nowTicks);
}

/**
 * It is to be offered what it ran before. One that is at work, and is to give that up, has its
 * offer as of now: it goes on until it has heard of it, and so keeps its place in flight and at its
 * site. One that was given up once has lost that, and waits for another.
 */
export function beginWayBack(page: AttemptPage, cell: number, nowTicks: number): void {
  const flags = page.flags[cell] ?? 0;
  const state = page.state[cell] ?? 0;
  const hasFailed = (flags & CELL_FLAGS.failed) !== 0;
  page.flags[cell] = withWayBack(flags, state === ATTEMPT.succeeded);
  unflag(page, cell, CELL_FLAGS.sent | CELL_FLAGS.doubtful);
  page.generation[cell] = 0; // the next lease draws anew: what is said of this one is of the past
  page.soakingSince[cell] = 0;
  // Why it failed itself says more.
  if (!hasFailed) page.reason[cell] = reasonCode("group-failed");
  const keepsPlace = isUnderWay(state) && !hasFailed;
  enter(page, cell, keepsPlace ? ATTEMPT.offered : ATTEMPT.pending, nowTicks);
}
