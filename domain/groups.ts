// SPDX-License-Identifier: Apache-2.0
/**
 * Groups: devices that move together, because they have the same value of a label (a redundant
 * pair, the controllers of a cell). They have neighbouring positions in the plan and are in one
 * wave. Nothing is offered in a group before every device of it that is still to come can be
 * reached. Once one of it has failed nothing more is offered, and whoever took the release goes
 * back to what it ran before. A device without the label is on its own.
 */
import { ATTEMPT, CELL_FLAGS, isUnderWay } from "./attempt.ts";
import { isGoingBack } from "./path-step.ts";
import type { WaveRange } from "./rollout.ts";

type IsPlanted = (name: string) => boolean;
const IS_NONE_PLANTED: IsPlanted = () => false;

/** Every offer looks at its whole group; more devices than this are a wave, not a group. */
export const MAX_GROUP_DEVICES = 64;

/** The positions of a plan, as far as groups go. */
export interface GroupCells {
  readonly positionCount: number;
  /** It is of the same group as the position before it. */
  isTogether(position: number): boolean;
  stateOf(position: number): number;
  flagsOf(position: number): number;
}

/** Positions [start, end) of the group of a position. */
export function groupAt(
  cells: Pick<GroupCells, "positionCount" | "isTogether">,
  position: number,
): WaveRange {
  let start = position;
  let end = position + 1;
  while (start > 0 && cells.isTogether(start)) start--;
  while (end < cells.positionCount && cells.isTogether(end)) end++;
  return { start, end };
}

export type GroupVerdict =
  | { readonly kind: "offer" }
  /** For this one, which is still to come and cannot be reached now. */
  | { readonly kind: "wait"; readonly position: number }
  | { readonly kind: "failed"; readonly position: number };

/**
 * May something be offered to the device at `position`, which is pending? `isPlanted`: test-only
 * switches for planted bugs, here and below; false in production.
 */
export function judgeGroup(
  cells: GroupCells,
  position: number,
  isReachable: (position: number) => boolean,
  isPlanted: IsPlanted = IS_NONE_PLANTED,
): GroupVerdict {
  const { start, end } = groupAt(cells, position);
  let missing = -1;
  let hasBegun = false;
  for (let member = start; member < end; member++) {
    const flags = cells.flagsOf(member);
    if ((flags & CELL_FLAGS.failed) !== 0) return { kind: "failed", position: member };
    const state = cells.stateOf(member);
    if (state === ATTEMPT.offered || (flags & CELL_FLAGS.exposed) !== 0) hasBegun = true;
    else if (state === ATTEMPT.pending && missing === -1 && !isReachable(member)) missing = member;
  }
  // The planted bug: whoever is there begins.
  const isDue = hasBegun || missing === -1 || isPlanted("groups.begins-alone");
  return isDue ? { kind: "offer" } : { kind: "wait", position: missing };
}

/** Of the positions (ascending) that have failed, the groups; each once. */
export function* groupsOf(
  cells: Pick<GroupCells, "positionCount" | "isTogether">,
  failed: Iterable<number>,
): Generator<WaveRange> {
  let seenEnd = 0;
  for (const position of failed) {
    if (position < seenEnd) continue;
    const group = groupAt(cells, position);
    seenEnd = group.end;
    yield group;
  }
}

/** What is known of a member of a group that has failed. */
export interface MemberSight {
  /** What it ran before is known, and can be offered. */
  readonly canGoBack: boolean;
  readonly isReachable: boolean;
  /** It shows the release, well or not. */
  readonly runsRelease: boolean;
}

/**
 * `keep-back`: it has not begun and shall not. `go-back`: it took the release. Who succeeded goes
 * back as soon as it can; who is at it when it can be reached, for nobody else could tell it, and
 * its deadlines bound it until then; who was given up when it is there again and may go on, or
 * shows the release: one that put it back by itself is back.
 */
export type GroupDuty = "none" | "keep-back" | "go-back";

export function dutyOf(
  state: number,
  flags: number,
  sight: () => MemberSight,
  isPlanted: IsPlanted = IS_NONE_PLANTED,
): GroupDuty {
  if (isGoingBack(flags)) return "none";
  if (state === ATTEMPT.pending) return "keep-back";
  if ((flags & CELL_FLAGS.exposed) === 0 || (flags & CELL_FLAGS.settled) !== 0) return "none";
  const { canGoBack, isReachable, runsRelease } = sight();
  if (!canGoBack) return "none";
  if (state === ATTEMPT.succeeded) {
    // The planted bug: what is proven stays, and its group is in two versions.
    return isPlanted("groups.proven-stays") ? "none" : "go-back";
  }
  const mayGoOn = isUnderWay(state) || state === ATTEMPT["timed-out"];
  const hasGoneWrong =
    state === ATTEMPT.failed || state === ATTEMPT["rolled-back"] || state === ATTEMPT.lost;
  const isDue = mayGoOn || (hasGoneWrong && runsRelease);
  return isDue && isReachable ? "go-back" : "none";
}

/** Waves that end where a group does: each grows to the end of the last group that it has. */
export function alignWaves(
  waves: readonly WaveRange[],
  isTogether: (position: number) => boolean,
): WaveRange[] {
  const total = waves.at(-1)?.end ?? 0;
  const aligned: WaveRange[] = [];
  let start = 0;
  for (const wave of waves) {
    let { end } = wave;
    while (end < total && isTogether(end)) end++;
    if (end <= start) continue;
    aligned.push({ start, end });
    start = end;
  }
  return aligned;
}
