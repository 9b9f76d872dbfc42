// SPDX-License-Identifier: Apache-2.0
/**
 * Groups: devices that move together, because they have the same value of a label (a redundant
 * pair, the controllers of a cell). They have neighbouring positions in the plan and are in one
 * wave. Nothing is offered in a group before every device of it that is still to come can be
 * reached, and nothing more once one of it has failed. A device without the label is on its own.
 */
import { ATTEMPT, CELL_FLAGS } from "./attempt.ts";
import type { WaveRange } from "./rollout.ts";

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

/** May something be offered to the device at `position`, which is pending? */
export function judgeGroup(
  cells: GroupCells,
  position: number,
  isReachable: (position: number) => boolean,
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
  return hasBegun || missing === -1 ? { kind: "offer" } : { kind: "wait", position: missing };
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
