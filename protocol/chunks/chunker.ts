// SPDX-License-Identifier: Apache-2.0
/**
 * Cuts a stream of bytes into chunks where its content says so, exactly as casync does: a rolling
 * hash (buzhash) over the last 48 bytes, and a cut behind each byte at which the hash, divided by
 * the discriminator, leaves the remainder discriminator − 1. An insertion moves the cuts with the
 * content, so the chunks behind it stay the same.
 *
 * The loop runs once a byte and is the reason for the typed arrays: nothing is allocated in it, and
 * no byte is looked at before a chunk has its least size but the window's.
 */
import { BUZHASH_TABLE } from "./buzhash-table.ts";
import { WINDOW_BYTES, type ChunkSizes } from "./chunk-sizes.ts";

/** `table` rotated left by the window's width: what a byte leaves behind when it leaves. */
const LEAVING_TABLE: Uint32Array = BUZHASH_TABLE.map((word) => rotate(word, WINDOW_BYTES % 32));

export class Chunker {
  readonly #sizes: ChunkSizes;
  readonly #discriminator: number;
  /** The last bytes of the chunk so far, as a ring. */
  readonly #window = new Uint8Array(WINDOW_BYTES);
  #hash = 0;
  #chunkBytes = 0;

  /** `sizes.minBytes` is at least the window's width. */
  constructor(sizes: ChunkSizes) {
    this.#sizes = sizes;
    this.#discriminator = discriminatorOf(sizes.averageBytes);
  }

  /**
   * Reads `bytes` from `from` on, up to the end of the chunk: the offset behind its last byte, or
   * −1 when the chunk goes on in the next bytes.
   */
  scan(bytes: Uint8Array, from: number): number {
    const { minBytes, maxBytes } = this.#sizes;
    const window = this.#window;
    // Before the least size no cut is possible: only the window's bytes count, the rest is skipped.
    const skipped = Math.min(bytes.length - from, minBytes - WINDOW_BYTES - this.#chunkBytes);
    let offset = from;
    if (skipped > 0) {
      offset += skipped;
      this.#chunkBytes += skipped;
    }
    let chunkBytes = this.#chunkBytes;
    let hash = this.#hash;
    const discriminator = this.#discriminator;
    const remainder = discriminator - 1;
    const windowStart = minBytes - WINDOW_BYTES;
    let slot = (chunkBytes - windowStart) % WINDOW_BYTES;
    for (; offset < bytes.length;) {
      const byte = bytes[offset] as number;
      offset += 1;
      chunkBytes += 1;
      hash = (hash << 1) | (hash >>> 31);
      hash ^= BUZHASH_TABLE[byte] as number;
      if (chunkBytes > minBytes) hash ^= LEAVING_TABLE[window[slot] as number] as number;
      window[slot] = byte;
      slot += 1;
      if (slot === WINDOW_BYTES) slot = 0;
      if (chunkBytes < minBytes) continue;
      if ((hash >>> 0) % discriminator !== remainder && chunkBytes < maxBytes) continue;
      this.#hash = 0;
      this.#chunkBytes = 0;
      return offset;
    }
    this.#hash = hash;
    this.#chunkBytes = chunkBytes;
    return -1;
  }
}

/** The chunks of a stream, in order; the bytes of each are valid until the next is taken. */
export async function* cutChunks(
  source: AsyncIterable<Uint8Array>,
  sizes: ChunkSizes,
): AsyncGenerator<Uint8Array> {
  const chunker = new Chunker(sizes);
  const chunk = new Uint8Array(sizes.maxBytes);
  let filledBytes = 0;
  for await (const bytes of source) {
    for (let from = 0; from < bytes.length;) {
      const cut = chunker.scan(bytes, from);
      const end = cut === -1 ? bytes.length : cut;
      chunk.set(bytes.subarray(from, end), filledBytes);
      filledBytes += end - from;
      from = end;
      if (cut === -1) continue;
      yield chunk.subarray(0, filledBytes);
      filledBytes = 0;
    }
  }
  if (filledBytes > 0) yield chunk.subarray(0, filledBytes);
}

/** casync's formula, fitted by its author so that the mean length comes out as the average. */
function discriminatorOf(averageBytes: number): number {
  return Math.trunc(averageBytes / (-1.42888852e-7 * averageBytes + 1.33237515));
}

function rotate(word: number, by: number): number {
  return ((word << by) | (word >>> (32 - by))) >>> 0;
}
