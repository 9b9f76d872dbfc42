// SPDX-License-Identifier: Apache-2.0
/**
 * The index comes over the network: damaged or hostile bytes are refused with one error, never with
 * another, and what is accepted keeps what the type says. `MUSTER_FUZZ_COUNT` sets the number of
 * damaged files; a failure names its seed.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { isMusterError } from "../../domain/errors.ts";
import { mutateAnywhere, seededDraw } from "../mqtt/testing/mutations.ts";
import { chunkIdOf, compressChunk, openChunk } from "./chunk.ts";
import { ChunkIndex, MAX_CHUNK_INDEX_BYTES } from "./chunk-index.ts";
import { DEFAULT_CHUNK_SIZES } from "./chunk-sizes.ts";

const FUZZ_COUNT = Number(process.env["MUSTER_FUZZ_COUNT"] ?? 20_000);

function sample(count: number): ChunkIndex {
  const chunks = Array.from({ length: count }, (_, position) => ({
    id: createHash("sha256")
      .update(String(position % 7))
      .digest("hex"),
    lengthBytes: 20_000 + position,
  }));
  return ChunkIndex.of(DEFAULT_CHUNK_SIZES, chunks);
}

test("an index says again what it was made of", () => {
  const index = ChunkIndex.parse(sample(20).bytes);
  assert.deepEqual([index.count, index.sizes], [20, DEFAULT_CHUNK_SIZES]);
  assert.equal(index.totalBytes, 20 * 20_000 + 190);
  assert.deepEqual([index.start(3), index.end(3), index.lengthBytes(3)], [60_003, 80_006, 20_003]);
  for (let position = 0; position < 20; position += 1) {
    assert.equal(index.find(index.id(position)), position % 7, "the first of those that are equal");
    assert.equal(index.positionAt(index.start(position)), position);
    assert.equal(index.positionAt(index.end(position) - 1), position);
  }
  assert.equal(index.positionAt(index.totalBytes), 20);
  assert.equal(index.find("0".repeat(64)), -1);
  assert.equal(sample(0).totalBytes, 0);
});

const HOSTILE: readonly (readonly [name: string, change: (bytes: Buffer) => Buffer])[] = [
  ["an empty file", () => Buffer.alloc(0)],
  ["one that is cut off", (bytes) => bytes.subarray(0, -40)],
  ["another type", (bytes) => (bytes.writeUInt8(1, 8), bytes)],
  ["ids of another kind", (bytes) => (bytes.writeUInt8(0x90, 23), bytes)],
  ["a largest chunk of a gigabyte", (bytes) => (bytes.writeBigUInt64LE(2n ** 30n, 40), bytes)],
  ["a least chunk of nothing", (bytes) => (bytes.writeBigUInt64LE(0n, 24), bytes)],
  ["ends that go back", (bytes) => (bytes.writeBigUInt64LE(1n, 104), bytes)],
  ["an end beyond all numbers", (bytes) => (bytes.writeBigUInt64LE(2n ** 63n, 64 + 160), bytes)],
  ["a chunk over the largest", (bytes) => (bytes.writeBigUInt64LE(400_000n, 64 + 160), bytes)],
  ["a short chunk in the middle", (bytes) => (bytes.writeBigUInt64LE(10n, 64), bytes)],
  ["another table size", (bytes) => (bytes.writeBigUInt64LE(8n, bytes.length - 16), bytes)],
  ["more than the limit", () => Buffer.alloc(MAX_CHUNK_INDEX_BYTES + 40)],
];

for (const [name, change] of HOSTILE) {
  test(`${name} is refused`, () => {
    const bytes = change(Buffer.from(sample(5).bytes));
    assert.throws(
      () => ChunkIndex.parse(bytes),
      (error) => isMusterError(error) && error.code === "corrupt" && error.message.length > 30,
    );
  });
}

test("damaged indexes are refused, or are whole indexes of something else", () => {
  let acceptedCount = 0;
  for (let seed = 1; seed <= FUZZ_COUNT; seed += 1) {
    const draw = seededDraw(seed);
    const bytes = mutateAnywhere(sample(1 + draw(6)).bytes, draw);
    try {
      const index = ChunkIndex.parse(bytes);
      acceptedCount += 1;
      for (let position = 0; position < index.count; position += 1) {
        const lengthBytes = index.lengthBytes(position);
        assert.ok(lengthBytes > 0 && lengthBytes <= index.sizes.maxBytes, `seed ${seed}`);
        assert.equal(index.id(index.find(index.id(position))), index.id(position), `seed ${seed}`);
      }
      assert.deepEqual(index.bytes, bytes);
    } catch (error) {
      assert.ok(isMusterError(error) && error.code === "corrupt", `seed ${seed}: ${String(error)}`);
    }
  }
  assert.ok(acceptedCount > 0 && acceptedCount < FUZZ_COUNT, `${acceptedCount} were accepted`);
});

test("a chunk opens only as what its id says, and never to more", () => {
  const bytes = Buffer.from("chunk ".repeat(5_000));
  const id = chunkIdOf(bytes);
  const data = compressChunk(bytes);
  assert.deepEqual(openChunk(data, id, bytes.length), bytes);
  assert.equal(openChunk(data, id, bytes.length - 1), null);
  assert.equal(openChunk(data, id, bytes.length + 1), null);
  assert.equal(openChunk(data, chunkIdOf(Buffer.from("other")), bytes.length), null);
  assert.equal(openChunk(compressChunk(Buffer.alloc(50_000_000)), id, bytes.length), null);
  for (let at = 0; at < data.length; at += 1) {
    const flipped = Buffer.from(data);
    flipped[at] = (flipped[at] as number) ^ 4;
    const opened = openChunk(flipped, id, bytes.length);
    assert.ok(opened === null || opened.equals(bytes), `byte ${at}`);
  }
});
