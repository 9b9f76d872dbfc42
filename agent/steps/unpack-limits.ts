// SPDX-License-Identifier: Apache-2.0
/** How much an archive may become. The release states a size; these hold even where it lies. */

/** Each entry costs an inode and a system call or three. */
export const MAX_ARCHIVE_ENTRIES = 100_000;
/** Real trees compress 3 to 10 times, sparse images far more; deflate itself stops at 1,032. */
const MAX_RATIO = 200;
/** Below this the ratio says nothing: a small archive may hold one well-behaved large file. */
const RATIO_FREE_BYTES = 67_108_864;
/**
 * Headers and padding beyond the content itself: two blocks an entry is normal, four is generous.
 */
const OVERHEAD_BYTES_PER_ENTRY = 2_048;
/** One long name, the blocks at the end, and what streams hold in between. */
const OVERHEAD_BYTES = 2_097_152;

/** Most content bytes of an archive of `lengthBytes` whose release states `unpackedBytesMax`. */
export function contentBytesLimit(lengthBytes: number, unpackedBytesMax: number): number {
  return Math.min(unpackedBytesMax, Math.max(RATIO_FREE_BYTES, lengthBytes * MAX_RATIO));
}

/** Most bytes of the uncompressed stream after `entryCount` entries with `contentBytes` in all. */
export function streamBytesLimit(entryCount: number, contentBytes: number): number {
  return contentBytes + OVERHEAD_BYTES + entryCount * OVERHEAD_BYTES_PER_ENTRY;
}
