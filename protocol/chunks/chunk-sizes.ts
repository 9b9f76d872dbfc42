// SPDX-License-Identifier: Apache-2.0
/**
 * How large chunks are. Smaller ones share more between two versions and cost more index (40 bytes
 * each) and more requests; these are casync's own defaults, so that an index of ours names the same
 * chunks as one that casync makes of the same file.
 */
export interface ChunkSizes {
  /** No chunk but the last is shorter, bytes. */
  readonly minBytes: number;
  /** What content-defined cutting aims at, bytes. */
  readonly averageBytes: number;
  /** No chunk is longer, bytes. */
  readonly maxBytes: number;
}

export const DEFAULT_CHUNK_SIZES: ChunkSizes = {
  minBytes: 16_384,
  averageBytes: 65_536,
  maxBytes: 262_144,
};

/** A chunk is held in memory whole, here and on devices: no index may ask for more. */
export const MAX_CHUNK_BYTES = 1_048_576;

/** What the rolling hash looks at: the window of casync. */
export const WINDOW_BYTES = 48;
