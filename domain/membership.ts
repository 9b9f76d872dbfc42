// SPDX-License-Identifier: Apache-2.0
/**
 * Devices that come to match a rollout's selector after its plan was frozen (joiners), and those
 * that match it no more or were retired (leavers). A plan is never changed. Joiners get the
 * positions after it, in the order in which they came, and belong to a wave like everybody else:
 * under the same limits, the same gate and the same blast radius. No wave opens earlier or later
 * because of them. Attempts of leavers end as `cancelled`, which is neutral, and for good.
 */

/** Positions [start, end). */
interface PositionRange {
  readonly start: number;
  readonly end: number;
}

/** `next-wave`: the next that opens, or the last when all are open; `tail`: the last. */
export const JOIN_POLICIES = ["never", "next-wave", "tail"] as const;
export type JoinPolicy = (typeof JOIN_POLICIES)[number];

/** `withdraw`: who was not offered anything yet is not offered any more. */
export const LEAVE_POLICIES = ["keep", "withdraw"] as const;
export type LeavePolicy = (typeof LEAVE_POLICIES)[number];

/** Contiguous positions of joiners; `wave` is an index. */
export interface JoinedRange extends PositionRange {
  readonly wave: number;
}

/** In these states of a rollout there is still somebody to withdraw. */
export function mayLeave(policy: LeavePolicy, state: string): boolean {
  return policy === "withdraw" && hasOpenEnd(state);
}

/** In these states of a rollout there may still come somebody. */
export function mayJoin(policy: JoinPolicy, state: string): boolean {
  return policy !== "never" && hasOpenEnd(state);
}

function hasOpenEnd(state: string): boolean {
  return state === "running" || state === "paused";
}

/**
 * The wave (index) of those who join now; null = nobody joins. `isLast`: of those who come last in
 * any case, as critical devices do. `isPlanted`: test-only switches for planted bugs; false in
 * production.
 */
export function waveOfJoiners(
  policy: JoinPolicy,
  progress: { readonly state: string; readonly waveCount: number },
  waveTotal: number,
  isLast = false,
  isPlanted: (name: string) => boolean = () => false,
): number | null {
  if (!mayJoin(policy, progress.state)) return null;
  const last = waveTotal - 1;
  // The planted bug: joiners get into the wave that is open.
  if (isPlanted("join.into-the-open-wave")) return Math.max(0, progress.waveCount - 1);
  return policy === "tail" || isLast ? last : Math.min(progress.waveCount, last);
}

/** Appends `count` joiners at position `start`; neighbours of one wave are one range. */
export function addJoined(
  joined: readonly JoinedRange[],
  start: number,
  count: number,
  wave: number,
): readonly JoinedRange[] {
  const end = start + count;
  const last = joined.at(-1);
  if (last?.wave !== wave) return [...joined, { start, end, wave }];
  return [...joined.slice(0, -1), { ...last, end }];
}

export function countJoined(joined: readonly JoinedRange[]): number {
  return joined.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** The wave (index) of a position, planned or joined. */
export function waveAt(
  waves: readonly PositionRange[],
  joined: readonly JoinedRange[],
  position: number,
): number {
  const planned = waves.findIndex((wave) => position < wave.end);
  if (planned !== -1) return planned;
  return joined.find((range) => position < range.end)?.wave ?? waves.length - 1;
}
