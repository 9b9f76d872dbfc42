// SPDX-License-Identifier: Apache-2.0
/**
 * Three bits beside the flags of a cell: on which step of its version path an attempt is, or that
 * it goes back because its group has failed.
 *
 * Proven on a step that is not the last it is pending again, and settled: it stands on a release
 * that it has proven, which is its own last good from then on. One that goes back has no step any
 * more: what it ran before is all that it is offered.
 */

const SHIFT = 5;
const BITS = 0b111;
/** It goes back; steps end below (`MAX_PATH_STEPS`). */
const WAY_BACK = 0b111;
/** It goes back, has not taken the way up yet, and stands on what it has proven. */
const WAY_BACK_FROM_PROVEN = 0b110;

/** Steps that it has behind it; 0 of one that goes back. */
export function stepOf(flags: number): number {
  return isGoingBack(flags) ? 0 : (flags >> SHIFT) & BITS;
}

/** The flags of one that has a step more behind it. */
export function withNextStep(flags: number): number {
  return flags + (1 << SHIFT);
}

/** It is to run what it ran before, or does so again. */
export function isGoingBack(flags: number): boolean {
  return ((flags >> SHIFT) & BITS) >= WAY_BACK_FROM_PROVEN;
}

/** It goes back, and until it takes the way up it is as proven as it was. */
export function isProvenYet(flags: number): boolean {
  return ((flags >> SHIFT) & BITS) === WAY_BACK_FROM_PROVEN;
}

/** The flags of one that goes back from now on. */
export function withWayBack(flags: number, isProven: boolean): number {
  const bits = isProven ? WAY_BACK_FROM_PROVEN : WAY_BACK;
  return (flags & ~(BITS << SHIFT)) | (bits << SHIFT);
}

/** The flags of one that has taken the way up: what it had proven, it leaves. */
export function onItsWay(flags: number): number {
  return isProvenYet(flags) ? withWayBack(flags, false) : flags;
}
