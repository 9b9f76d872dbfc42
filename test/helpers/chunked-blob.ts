// SPDX-License-Identifier: Apache-2.0
/** Artifacts for tests: contents that look like software, and their chunk indexes. */
import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import { chunkIdOf } from "../../protocol/chunks/chunk.ts";
import { ChunkIndex, type ChunkFacts } from "../../protocol/chunks/chunk-index.ts";
import { DEFAULT_CHUNK_SIZES } from "../../protocol/chunks/chunk-sizes.ts";
import { cutChunks } from "../../protocol/chunks/chunker.ts";
import { seededDraw } from "../../protocol/mqtt/testing/mutations.ts";

export interface ChunkedBlob {
  readonly blob: Buffer;
  readonly sha256: string;
  readonly index: ChunkIndex;
  readonly indexSha256: string;
}

export async function chunkBlob(blob: Buffer): Promise<ChunkedBlob> {
  const chunks: ChunkFacts[] = [];
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield blob;
  }
  for await (const chunk of cutChunks(whole(), DEFAULT_CHUNK_SIZES)) {
    chunks.push({ id: chunkIdOf(chunk), lengthBytes: chunk.length });
  }
  const index = ChunkIndex.of(DEFAULT_CHUNK_SIZES, chunks);
  return { blob, index, sha256: sha256Of(blob), indexSha256: sha256Of(index.bytes) };
}

/**
 * A tar of `fileCount` files of about `fileBytes` each. Text compresses by half or so, as programs
 * do. `changed` files have other content than those of the same `seed` without it.
 */
export async function softwareTar(options: {
  seed: number;
  fileCount: number;
  fileBytes: number;
  changed?: (file: number) => boolean;
}): Promise<Buffer> {
  const { seed, fileCount, fileBytes, changed = (): boolean => false } = options;
  const tar = pack();
  for (let file = 0; file < fileCount; file += 1) {
    const name = `lib/module-${String(file).padStart(5, "0")}.js`;
    const draw = seededDraw(seed * 1_000_003 + file * 2 + (changed(file) ? 1 : 0));
    tar.entry({ name, mtime: new Date(0), mode: 0o644 }, words(draw, fileBytes));
  }
  tar.finalize();
  return buffer(tar);
}

/** Hexadecimal noise with words between: about half its size when compressed. */
function words(draw: (limit: number) => number, lengthBytes: number): Buffer {
  const text = Buffer.alloc(lengthBytes);
  for (let at = 0; at < lengthBytes;) {
    const word =
      draw(4) === 0
        ? "export function "
        : draw(2 ** 32)
            .toString(16)
            .padStart(8, "0");
    at += text.write(word, at, "latin1");
  }
  return text;
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
