// SPDX-License-Identifier: Apache-2.0
/**
 * The chunk indexes that devices name, read from the artifact cache: they are artifacts like
 * others. Limit: those used last stay in memory, 64 MiB of them at most.
 */
import { readFile } from "node:fs/promises";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import { ChunkIndex, MAX_CHUNK_INDEX_BYTES } from "../../protocol/chunks/chunk-index.ts";
import type { CachedBlob } from "./artifact-cache.ts";

const MEMORY_BYTES_MAX: number = 64 * 2 ** 20;

/** Where the files come from: the artifact cache. */
export interface IndexBlobs {
  get(sha256: string, options: { signal: AbortSignal }): Promise<CachedBlob>;
}

export class ChunkIndexes {
  readonly #blobs: IndexBlobs;
  /** The least recently used first. */
  readonly #held = new Map<string, ChunkIndex>();
  #heldBytes = 0;

  constructor(options: { blobs: IndexBlobs }) {
    this.#blobs = options.blobs;
  }

  /** Throws `not_found` where the blob is no index, and what the artifact cache throws. */
  async get(sha256: string, options: { signal: AbortSignal }): Promise<ChunkIndex> {
    const index = this.#held.get(sha256) ?? (await this.#read(sha256, options));
    if (!this.#held.delete(sha256)) this.#heldBytes += index.bytes.length;
    this.#held.set(sha256, index);
    for (const [oldest, { bytes }] of this.#held) {
      if (this.#heldBytes <= MEMORY_BYTES_MAX || oldest === sha256) break;
      this.#held.delete(oldest);
      this.#heldBytes -= bytes.length;
    }
    return index;
  }

  async #read(sha256: string, options: { signal: AbortSignal }): Promise<ChunkIndex> {
    const { file, lengthBytes } = await this.#blobs.get(sha256, options);
    if (lengthBytes > MAX_CHUNK_INDEX_BYTES) throw noIndex(undefined);
    try {
      return ChunkIndex.parse(await readFile(file));
    } catch (cause) {
      if (isMusterError(cause)) throw noIndex(cause);
      const message = "the chunk index was evicted while it was read";
      throw new MusterError({ code: "unavailable", message, cause });
    }
  }
}

function noIndex(cause: unknown): MusterError {
  const message = "there is no such chunk: what the request names as its index is none";
  return new MusterError({ code: "not_found", message, cause });
}
