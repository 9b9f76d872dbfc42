// SPDX-License-Identifier: Apache-2.0
/**
 * Ids of the devices that have connected since this center started, by ordinal, as packed bytes:
 * what a signed offer names. Filled by their sessions, so an offer, which only a connected device
 * gets, needs no look into the Store. About 8 bytes a device and its id; no object a device.
 */
import { assert } from "../../domain/assert.ts";

const DEVICES_PER_CHUNK = 4_096;
/** Ids of so many bytes fit before a chunk grows: most fleets number their devices. */
const USUAL_ID_BYTES = 16;

interface Chunk {
  bytes: Uint8Array;
  usedBytes: number;
  readonly starts: Uint32Array;
  /** 0 = not known. */
  readonly lengths: Uint8Array;
}

export class DeviceNames {
  private readonly chunks: (Chunk | undefined)[] = [];

  /** Remembers the id (1–128 characters, all ASCII) of the device with this ordinal. */
  set(ordinal: number, id: string): void {
    const chunk = this.chunkOf(ordinal);
    const cell = ordinal % DEVICES_PER_CHUNK;
    if (chunk.lengths[cell] !== 0) return; // an ordinal has one id for ever
    if (chunk.usedBytes + id.length > chunk.bytes.length) {
      const bytes = new Uint8Array(chunk.bytes.length * 2 + id.length);
      bytes.set(chunk.bytes);
      chunk.bytes = bytes;
    }
    for (let index = 0; index < id.length; index++) {
      chunk.bytes[chunk.usedBytes + index] = id.charCodeAt(index);
    }
    chunk.starts[cell] = chunk.usedBytes;
    chunk.lengths[cell] = id.length;
    chunk.usedBytes += id.length;
  }

  /** The id as bytes; asserts that its session was seen. */
  bytesOf(ordinal: number): Uint8Array {
    const chunk = this.chunks[Math.floor(ordinal / DEVICES_PER_CHUNK)];
    const cell = ordinal % DEVICES_PER_CHUNK;
    const length = chunk?.lengths[cell] ?? 0;
    assert(chunk !== undefined && length > 0, "a device that is offered something has a session");
    const start = chunk.starts[cell] ?? 0;
    return chunk.bytes.subarray(start, start + length);
  }

  private chunkOf(ordinal: number): Chunk {
    const number = Math.floor(ordinal / DEVICES_PER_CHUNK);
    const existing = this.chunks[number];
    if (existing !== undefined) return existing;
    const created: Chunk = {
      bytes: new Uint8Array(DEVICES_PER_CHUNK * USUAL_ID_BYTES),
      usedBytes: 0,
      starts: new Uint32Array(DEVICES_PER_CHUNK),
      lengths: new Uint8Array(DEVICES_PER_CHUNK),
    };
    this.chunks[number] = created;
    return created;
  }
}
