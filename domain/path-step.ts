// SPDX-License-Identifier: Apache-2.0
/**
 * On which step of its version path an attempt is: three bits beside the flags of its cell. Proven
 * on a step that is not the last it is pending again, and settled: it stands on a release that it
 * has proven, which is its own last good from then on.
 */

const SHIFT = 5;
const BITS = 0b111;

/** Steps that it has behind it. */
export function stepOf(flags: number): number {
  return (flags >> SHIFT) & BITS;
}

/** The flags of one that has a step more behind it. */
export function withNextStep(flags: number): number {
  return flags + (1 << SHIFT);
}
