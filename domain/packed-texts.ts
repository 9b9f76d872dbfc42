// SPDX-License-Identifier: Apache-2.0
/**
 * Short texts by index, as packed bytes: ids of a million devices are 8 bytes and their characters
 * each, and no object. Texts are 1–255 characters, all ASCII, as device ids are; each is set once.
 */
import { assert } from "./assert.ts";

/** A chunk of 320 KiB is memory of its own, which goes back as a whole when it is dropped. */
const TEXTS_PER_CHUNK = 16_384;
/** Texts of so many bytes fit before a chunk grows: most fleets number their devices. */
const USUAL_BYTES = 16;
const MAX_BYTES = 255;
const NOTHING = new Uint8Array(0);

interface Chunk {
  bytes: Uint8Array;
  usedBytes: number;
  readonly starts: Uint32Array;
  /** 0 = not set. */
  readonly lengths: Uint8Array;
}

export class PackedTexts {
  private readonly chunks: (Chunk | undefined)[] = [];

  /** False: there was one already, which stays. */
  set(index: number, text: string): boolean {
    assert(text.length > 0 && text.length <= MAX_BYTES, "a packed text has 1 to 255 characters");
    const chunk = this.chunkOf(index);
    const cell = index % TEXTS_PER_CHUNK;
    if (chunk.lengths[cell] !== 0) return false;
    if (chunk.usedBytes + text.length > chunk.bytes.length) {
      const bytes = new Uint8Array(chunk.bytes.length * 2 + text.length);
      bytes.set(chunk.bytes);
      chunk.bytes = bytes;
    }
    for (let at = 0; at < text.length; at++) {
      chunk.bytes[chunk.usedBytes + at] = text.charCodeAt(at);
    }
    chunk.starts[cell] = chunk.usedBytes;
    chunk.lengths[cell] = text.length;
    chunk.usedBytes += text.length;
    return true;
  }

  /** A view; empty = none was set. */
  bytesAt(index: number): Uint8Array {
    const chunk = this.chunks[Math.floor(index / TEXTS_PER_CHUNK)];
    if (chunk === undefined) return NOTHING;
    const cell = index % TEXTS_PER_CHUNK;
    const start = chunk.starts[cell] ?? 0;
    return chunk.bytes.subarray(start, start + (chunk.lengths[cell] ?? 0));
  }

  /** "" = none was set. */
  at(index: number): string {
    return String.fromCharCode(...this.bytesAt(index));
  }

  private chunkOf(index: number): Chunk {
    const number = Math.floor(index / TEXTS_PER_CHUNK);
    const existing = this.chunks[number];
    if (existing !== undefined) return existing;
    const created: Chunk = {
      bytes: new Uint8Array(TEXTS_PER_CHUNK * USUAL_BYTES),
      usedBytes: 0,
      starts: new Uint32Array(TEXTS_PER_CHUNK),
      lengths: new Uint8Array(TEXTS_PER_CHUNK),
    };
    this.chunks[number] = created;
    return created;
  }
}
