// SPDX-License-Identifier: Apache-2.0
/**
 * Writes a bundle's artifacts as casync's files: an index each (`app.caibx`) and one chunk store
 * (`chunks.castr`) for all of them. Plain files, for a web server, for `casync` and for whatever
 * else reads the format; exporting the next version into the same folder adds its new chunks only.
 */
import { createReadStream } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MusterError } from "../../domain/errors.ts";
import { chunkIdOf, chunkPath, compressChunk } from "../../protocol/chunks/chunk.ts";
import { ChunkIndex, MAX_CHUNK_INDEX_BYTES } from "../../protocol/chunks/chunk-index.ts";
import { cutChunks } from "../../protocol/chunks/chunker.ts";
import { fileError, readBounded } from "../files.ts";
import { artifactPath, isThere, type Bundle } from "./bundle.ts";

export const CHUNK_STORE = "chunks.castr";

export interface ExportedIndex {
  readonly artifact: string;
  readonly index: string;
  readonly chunks: number;
  /** Chunks that the store did not have yet, and their compressed bytes. */
  readonly newChunks: number;
  readonly newBytes: number;
}

/** One row an artifact that has an index; the bundle's digests have been verified. */
export async function exportChunks(options: {
  bundle: Bundle;
  folder: string;
  signal: AbortSignal;
}): Promise<ExportedIndex[]> {
  const { bundle, folder, signal } = options;
  const exported: ExportedIndex[] = [];
  for (const { name, sha256, chunkIndex } of bundle.manifest.artifacts) {
    if (chunkIndex === null) continue;
    const bytes = await readBounded(artifactPath(bundle.folder, chunkIndex.sha256), {
      attempted: `reading the chunk index of ${JSON.stringify(name)}`,
      maxBytes: MAX_CHUNK_INDEX_BYTES,
    });
    const index = ChunkIndex.parse(bytes);
    const file = join(folder, `${name}.caibx`);
    const blob = artifactPath(bundle.folder, sha256);
    try {
      const added = await addChunks({ index, blob, store: join(folder, CHUNK_STORE), signal });
      await writeFile(file, bytes);
      exported.push({ artifact: name, index: file, chunks: index.count, ...added });
    } catch (error) {
      throw error instanceof MusterError ? error : fileError("writing the chunks", folder, error);
    }
  }
  return exported;
}

async function addChunks(options: {
  index: ChunkIndex;
  blob: string;
  store: string;
  signal: AbortSignal;
}): Promise<{ newChunks: number; newBytes: number }> {
  const { index, blob, store, signal } = options;
  const added = { newChunks: 0, newBytes: 0 };
  let position = 0;
  for await (const chunk of cutChunks(createReadStream(blob, { signal }), index.sizes)) {
    const id = chunkIdOf(chunk);
    if (position >= index.count || index.id(position) !== id) throw notThatIndex(blob);
    position += 1;
    const path = join(store, chunkPath(id));
    if (await isThere(path)) continue;
    const data = compressChunk(chunk);
    await mkdir(dirname(path), { recursive: true });
    // Under its name it is whole: another export may be reading the same store.
    await writeFile(`${path}.partial`, data);
    await rename(`${path}.partial`, path);
    added.newChunks += 1;
    added.newBytes += data.length;
  }
  if (position < index.count) throw notThatIndex(blob);
  return added;
}

function notThatIndex(file: string): MusterError {
  return new MusterError({
    code: "corrupt",
    message: "the chunk index is that of another artifact",
    detail: { file, hint: "make the bundle again with `muster release create`" },
  });
}
