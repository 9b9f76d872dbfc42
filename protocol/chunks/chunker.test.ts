// SPDX-License-Identifier: Apache-2.0
/**
 * Cuts are part of a published format: pinned here against what casync 2 cuts of the same bytes, so
 * that a change shows also where casync is not installed.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { seededDraw } from "../mqtt/testing/mutations.ts";
import { chunkIdOf } from "./chunk.ts";
import { ChunkIndex } from "./chunk-index.ts";
import { DEFAULT_CHUNK_SIZES, type ChunkSizes } from "./chunk-sizes.ts";
import { cutChunks } from "./chunker.ts";

const SMALL: ChunkSizes = { minBytes: 1_024, averageBytes: 4_096, maxBytes: 16_384 };

/** The same noise on every machine: SHA-256 of a counter. */
function noise(lengthBytes: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(lengthBytes / 32) }, (_, counter) =>
    createHash("sha256").update(String(counter)).digest(),
  );
  return Buffer.concat(blocks).subarray(0, lengthBytes);
}

async function* pieces(bytes: Buffer, next: () => number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length;) {
    const end = Math.min(bytes.length, from + next());
    yield bytes.subarray(from, end);
    from = end;
  }
}

async function cut(
  bytes: Buffer,
  sizes: ChunkSizes,
  next: () => number = () => bytes.length,
): Promise<{ id: string; lengthBytes: number }[]> {
  const chunks: { id: string; lengthBytes: number }[] = [];
  for await (const chunk of cutChunks(pieces(bytes, next), sizes)) {
    chunks.push({ id: chunkIdOf(chunk), lengthBytes: chunk.length });
  }
  return chunks;
}

test("two megabytes of noise have the index that casync gives them", async () => {
  const chunks = await cut(noise(2_000_000), DEFAULT_CHUNK_SIZES);
  const index = ChunkIndex.of(DEFAULT_CHUNK_SIZES, chunks);
  assert.equal(
    createHash("sha256").update(index.bytes).digest("hex"),
    "fe3a21b634cc5cf05270081474e902f25611d75bcc9a7a0b0c49dfa772a6fe59",
  );
});

test("cuts do not depend on how the bytes arrive", async () => {
  const bytes = noise(300_000);
  const whole = await cut(bytes, SMALL);
  for (let seed = 1; seed <= 20; seed += 1) {
    const draw = seededDraw(seed);
    assert.deepEqual(await cut(bytes, SMALL, () => 1 + draw(9_000)), whole, `seed ${seed}`);
  }
  assert.deepEqual(
    await cut(bytes.subarray(0, 40_000), SMALL, () => 1),
    await cut(bytes.subarray(0, 40_000), SMALL),
  );
});

test("chunks keep to their sizes, also where the content never asks for a cut", async () => {
  for (const bytes of [noise(500_000), Buffer.alloc(500_000)]) {
    const chunks = await cut(bytes, SMALL);
    assert.equal(
      chunks.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0),
      bytes.length,
    );
    for (const { lengthBytes } of chunks.slice(0, -1)) {
      assert.ok(lengthBytes >= SMALL.minBytes && lengthBytes <= SMALL.maxBytes, `${lengthBytes}`);
    }
  }
  assert.deepEqual(await cut(Buffer.alloc(0), SMALL), []);
});

test("an insertion changes the chunks around it, and no other", async () => {
  const before = noise(1_000_000);
  const after = Buffer.concat([
    before.subarray(0, 400_000),
    Buffer.from("new"),
    before.subarray(400_000),
  ]);
  const known = new Set((await cut(before, SMALL)).map(({ id }) => id));
  const unknown = (await cut(after, SMALL)).filter(({ id }) => !known.has(id));
  assert.ok(unknown.length >= 1 && unknown.length <= 3, `${unknown.length} chunks are new`);
});
