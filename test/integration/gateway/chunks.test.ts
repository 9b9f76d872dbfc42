// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { chunkPath, openChunk } from "../../../protocol/chunks/chunk.ts";
import { chunkBlob, softwareTar, type ChunkedBlob } from "../../helpers/chunked-blob.ts";
import { get, publishBlob } from "./artifact-client.ts";
import { GatewayFixture } from "./gateway-fixture.ts";

const archive = await chunkBlob(await softwareTar({ seed: 1, fileCount: 60, fileBytes: 20_000 }));

function publish(fixture: GatewayFixture, { blob, index }: ChunkedBlob): void {
  publishBlob(fixture, blob);
  publishBlob(fixture, index.bytes);
}

function pathOf(position: number, { sha256, index, indexSha256 }: ChunkedBlob = archive): string {
  return `/artifacts/sha256/${sha256}/chunks/${indexSha256}/${chunkPath(index.id(position))}`;
}

/** The file of a chunk in the gateway's cache. */
function cached(fixture: GatewayFixture, position: number): string {
  return fixture.folder.join(
    "data",
    "cache",
    "chunks.castr",
    chunkPath(archive.index.id(position)),
  );
}

describe("chunks at a gateway", () => {
  test("a chunk is fetched once, then it comes from the disk", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const identity = await fixture.enrol("pump-1");
    publish(fixture, archive);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => get(fixture, identity, pathOf(3))),
    );
    const lengthBytes = archive.index.lengthBytes(3);
    for (const { status, body } of answers) {
      assert.equal(status, 200);
      const bytes = openChunk(body, archive.index.id(3), lengthBytes);
      assert.deepEqual(bytes, archive.blob.subarray(archive.index.start(3), archive.index.end(3)));
      assert.ok(body.length < lengthBytes * 0.7, "it travels compressed");
    }
    assert.equal(fixture.center.chunkFetchCount, 1);
    assert.deepEqual(await readFile(cached(fixture, 3)), answers[0]?.body);
    await fixture.center.kill();
    await fixture.gateway.stop();
    await fixture.startGateway();
    assert.equal((await get(fixture, identity, pathOf(3))).status, 200);
    assert.equal((await get(fixture, identity, pathOf(4))).status, 503);
    assert.equal(await fixture.metric("chunks_total", { outcome: "kept" }), 1);
  });

  test("a flipped bit in a cached chunk is found; it is fetched again", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const identity = await fixture.enrol("pump-1");
    publish(fixture, archive);
    const first = await get(fixture, identity, pathOf(0));
    const bytes = await readFile(cached(fixture, 0));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 8;
    await writeFile(cached(fixture, 0), bytes);
    const second = await get(fixture, identity, pathOf(0));
    assert.deepEqual([second.status, second.body], [200, first.body]);
    assert.equal(fixture.center.chunkFetchCount, 2);
    assert.equal(await fixture.metric("chunks_total", { outcome: "damaged" }), 1);
    assert.deepEqual(await readFile(cached(fixture, 0)), first.body);
  });

  test("the cache keeps to its size: the chunk that was not used longest goes", async (context) => {
    const fixture = await GatewayFixture.start(context, { chunkCacheBytes: 150_000 });
    const identity = await fixture.enrol("pump-1");
    publish(fixture, archive);
    for (let position = 0; position < archive.index.count; position += 1) {
      assert.equal((await get(fixture, identity, pathOf(position))).status, 200);
      assert.equal((await get(fixture, identity, pathOf(0))).status, 200);
    }
    const totalBytes = await fixture.metric("chunk_cache_bytes");
    assert.ok(totalBytes > 0 && totalBytes <= 150_000, `${totalBytes} bytes`);
    const store = fixture.folder.join("data", "cache", "chunks.castr");
    let onDiskBytes = 0;
    for (const folder of await readdir(store)) {
      for (const name of await readdir(join(store, folder))) {
        onDiskBytes += (await stat(join(store, folder, name))).size;
      }
    }
    assert.equal(onDiskBytes, totalBytes);
    assert.equal(fixture.center.chunkFetchCount, archive.index.count, "the first was always used");
  });

  test("with its bandwidth taken, the gateway says when to come again", async (context) => {
    const fixture = await GatewayFixture.start(context, { gatewayBytesPerSecond: 16_384 });
    const identity = await fixture.enrol("pump-1");
    publish(fixture, archive);
    const head = { method: "HEAD" };
    assert.equal((await get(fixture, identity, pathOf(0), head)).status, 200);
    for (let position = 0; position < archive.index.count; position += 1) {
      // Half a minute's worth: they wait for their turn until the gateway ends.
      get(fixture, identity, pathOf(position)).catch(() => {});
    }
    let answer = await get(fixture, identity, pathOf(0), head);
    while (answer.status === 200) answer = await get(fixture, identity, pathOf(0), head);
    assert.equal(answer.status, 503);
    assert.match(String(answer.headers["retry-after"]), /^\d+$/);
    const trust = await get(fixture, identity, "/tuf/timestamp.json");
    assert.notEqual(trust.status, 503, "signatures are not held up");
  });

  test("what is no chunk of the named blob and index is refused, and not kept", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const identity = await fixture.enrol("pump-1");
    publish(fixture, archive);
    const other = await chunkBlob(await softwareTar({ seed: 2, fileCount: 30, fileBytes: 20_000 }));
    publish(fixture, other);
    const status = async (path: string): Promise<number> =>
      (await get(fixture, identity, path)).status;
    assert.equal(await status(pathOf(0).replace(/[^/]+$/, `${"0".repeat(64)}.cacnk`)), 404);
    assert.equal(await status(pathOf(0).replace(archive.indexSha256, archive.sha256)), 404);
    assert.equal(await status(pathOf(0).replace(archive.indexSha256, "0".repeat(64))), 404);
    assert.equal(await status(pathOf(0).replace(archive.sha256, other.sha256)), 502);
    assert.equal(await fixture.metric("chunk_cache_bytes"), 0);
    fixture.center.cutsChunks = false;
    assert.equal(await status(pathOf(0)), 404, "a center of before chunks");
    const sibling = await fixture.authority.gateway("eu", "gw-2");
    assert.equal((await get(fixture, sibling, pathOf(0))).status, 403);
  });
});
