// SPDX-License-Identifier: Apache-2.0
/**
 * One chunk: its id is the SHA-512/256 of its bytes, it lies in a store as
 * `{first four characters}/{id}.cacnk`, compressed with zstd, as casync has it.
 */
import { hash } from "node:crypto";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";

export const CHUNK_ID_BYTES = 32;
export const CHUNK_ID_PATTERN: RegExp = /^[0-9a-f]{64}$/;

/** Lower-case hex. */
export function chunkIdOf(bytes: Uint8Array): string {
  return hash("sha512-256", bytes, "hex");
}

/** Where a chunk lies in a chunk store (`.castr`), relative to it. */
export function chunkPath(id: string): string {
  return `${id.slice(0, 4)}/${id}.cacnk`;
}

export function compressChunk(bytes: Uint8Array): Buffer {
  return zstdCompressSync(bytes);
}

/**
 * The chunk's bytes, or null when `data` is not the chunk `id` of exactly `lengthBytes`: damaged,
 * another one, or something that would unpack to more.
 */
export function openChunk(data: Uint8Array, id: string, lengthBytes: number): Buffer | null {
  let bytes: Buffer;
  try {
    bytes = zstdDecompressSync(data, { maxOutputLength: Math.max(1, lengthBytes) });
  } catch {
    return null;
  }
  return bytes.length === lengthBytes && chunkIdOf(bytes) === id ? bytes : null;
}
