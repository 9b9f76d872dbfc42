// SPDX-License-Identifier: Apache-2.0
/**
 * Chunks an artifact by its content, so that a device which has another version fetches only what
 * changed. The chunks themselves are never stored beside the artifact: the center cuts them out of
 * it when a gateway asks.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { chunkIdOf } from "../../protocol/chunks/chunk.ts";
import { ChunkIndex, type ChunkFacts } from "../../protocol/chunks/chunk-index.ts";
import { DEFAULT_CHUNK_SIZES } from "../../protocol/chunks/chunk-sizes.ts";
import { cutChunks } from "../../protocol/chunks/chunker.ts";

/** Below it an artifact is one or two chunks: an index would move more than it saves. */
export const MIN_CHUNKED_BYTES: number = 2 * DEFAULT_CHUNK_SIZES.averageBytes;
/** Large reads: the chunker is as fast as the disk then. */
const READ_BYTES = 1_048_576;

/** How files begin that are compressed as a whole. */
const COMPRESSED: readonly { readonly name: string; readonly magic: string }[] = [
  { name: "gzip", magic: "1f8b" },
  { name: "zstd", magic: "28b52ffd" },
  { name: "xz", magic: "fd377a585a00" },
  { name: "bzip2", magic: "425a68" },
];

/** Null for an artifact that is too small to gain from it. Throws what the file system throws. */
export async function chunkArtifact(options: {
  file: string;
  lengthBytes: number;
  signal: AbortSignal;
}): Promise<ChunkIndex | null> {
  const { file, lengthBytes, signal } = options;
  if (lengthBytes < MIN_CHUNKED_BYTES) return null;
  const chunks: ChunkFacts[] = [];
  const source = createReadStream(file, { signal, highWaterMark: READ_BYTES });
  for await (const chunk of cutChunks(source, DEFAULT_CHUNK_SIZES)) {
    chunks.push({ id: chunkIdOf(chunk), lengthBytes: chunk.length });
  }
  return ChunkIndex.of(DEFAULT_CHUNK_SIZES, chunks);
}

/** The compression that the whole file is under, or null. */
export async function compressionOf(file: string): Promise<string | null> {
  await using handle = await open(file, "r");
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0);
  const begin = buffer.toString("hex", 0, bytesRead);
  return COMPRESSED.find(({ magic }) => begin.startsWith(magic))?.name ?? null;
}
