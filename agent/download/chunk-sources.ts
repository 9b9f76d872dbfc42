// SPDX-License-Identifier: Apache-2.0
/**
 * Where the chunks of a download are on this device already: archives of earlier versions, and what
 * of the download itself is written. Every chunk is checked by its id when it is read, so a source
 * may be damaged, or be gone: it only helps less.
 */
import type { Logger } from "../../ports/logger.ts";
import { chunkIdOf } from "../../protocol/chunks/chunk.ts";
import { ChunkIndex, MAX_CHUNK_INDEX_BYTES } from "../../protocol/chunks/chunk-index.ts";
import type { Files } from "../files/files.ts";
import { indexBeside } from "../slots/slot-layout.ts";
import { readRange } from "./file-range.ts";

export interface ChunkSource {
  readonly path: string;
  readonly index: ChunkIndex;
  /** How much of the blob is there. */
  readonly endBytes: () => number;
}

/** The chunk, or null when no source has it (any more). */
export async function readFromSources(
  files: Files,
  sources: readonly ChunkSource[],
  chunk: { readonly id: string; readonly lengthBytes: number },
): Promise<Uint8Array | null> {
  for (const { path, index, endBytes } of sources) {
    const position = index.find(chunk.id);
    if (position === -1 || index.end(position) > endBytes()) continue;
    const start = index.start(position);
    // A disk that does not give it back is one source less; the gateway has it too.
    const bytes = await readRange(files, { path, start, ...chunk }).catch(() => null);
    if (bytes !== null && chunkIdOf(bytes) === chunk.id) return bytes;
  }
  return null;
}

/** A whole blob with its index beside it; null when there is none that can be used. */
export async function openSource(
  files: Files,
  blobPath: string,
  logger: Logger,
): Promise<ChunkSource | null> {
  const facts = await files.facts(blobPath);
  if (facts?.kind !== "file") return null;
  const index = await readIndex(files, indexBeside(blobPath), logger);
  if (index === null) return null;
  return { path: blobPath, index, endBytes: () => facts.sizeBytes };
}

/** Null when the file is not there or is no index. */
export async function readIndex(
  files: Files,
  path: string,
  logger: Logger,
): Promise<ChunkIndex | null> {
  try {
    const bytes = await readIndexBytes(files, path);
    return bytes === null ? null : ChunkIndex.parse(bytes);
  } catch (error) {
    logger.warn("A chunk index is not usable.", { path, error });
    return null;
  }
}

/** The file's bytes; null when it is not there or is larger than any index. */
export async function readIndexBytes(files: Files, path: string): Promise<Uint8Array | null> {
  const facts = await files.facts(path);
  if (facts?.kind !== "file" || facts.sizeBytes > MAX_CHUNK_INDEX_BYTES) return null;
  return readRange(files, { path, start: 0, lengthBytes: facts.sizeBytes });
}

/**
 * How much of a part is made of the index's chunks, from its begin on: bytes up to the last whole
 * one. What comes behind is a chunk that was cut off, or that the disk lost.
 */
export async function wholeChunkBytes(options: {
  files: Files;
  path: string;
  index: ChunkIndex;
  signal: AbortSignal;
}): Promise<number> {
  const { files, path, index, signal } = options;
  const chunk = new Uint8Array(index.sizes.maxBytes);
  let filledBytes = 0;
  let position = 0;
  for await (const piece of files.readChunks(path, 0)) {
    signal.throwIfAborted();
    for (let from = 0; from < piece.byteLength && position < index.count;) {
      const lengthBytes = index.lengthBytes(position);
      const taken = piece.subarray(from, from + lengthBytes - filledBytes);
      chunk.set(taken, filledBytes);
      filledBytes += taken.byteLength;
      from += taken.byteLength;
      if (filledBytes < lengthBytes) continue;
      if (chunkIdOf(chunk.subarray(0, lengthBytes)) !== index.id(position)) {
        return index.start(position);
      }
      position += 1;
      filledBytes = 0;
    }
  }
  return position === 0 ? 0 : index.end(position - 1);
}
