// SPDX-License-Identifier: Apache-2.0
/** Downloads by chunks over real HTTP: only what changed, from whatever the device has. */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { it } from "node:test";
import { systemFiles } from "../../../agent/files/system-files.ts";
import { chunkBlob, softwareTar, type ChunkedBlob } from "../../helpers/chunked-blob.ts";
import { tempDir, type TempDir } from "../../helpers/temp-dir.ts";
import { haveTools, runTool } from "../../helpers/tools.ts";
import { ChunkServer, requestOf } from "./chunk-server.ts";
import { downloader, gatewayOf } from "./download-fixture.ts";

const FACTS = { seed: 5, fileCount: 150, fileBytes: 20_000 };
const before = await chunkBlob(await softwareTar(FACTS));
const after = await chunkBlob(await softwareTar({ ...FACTS, changed: (file) => file === 70 }));
const { signal } = new AbortController();

function serverOf(...archives: readonly ChunkedBlob[]): ChunkServer {
  const server = new ChunkServer();
  for (const archive of archives) server.add(archive);
  return server;
}

/** As after an installation: the archive and its index are among the seeds. */
async function seed(folder: TempDir, { sha256, blob, index }: ChunkedBlob): Promise<string> {
  await mkdir(folder.join("seeds", "app"), { recursive: true });
  const path = folder.join("seeds", "app", sha256);
  await writeFile(path, blob);
  await writeFile(`${path}.caibx`, index.bytes);
  return path;
}

async function downloaded(folder: TempDir, { sha256 }: ChunkedBlob): Promise<Buffer> {
  return readFile(folder.join("downloads", sha256));
}

it("a first download moves every chunk once, compressed, on one connection", async (context) => {
  await using folder = await tempDir("chunks");
  const server = serverOf(before);
  const connections = new Set<object>();
  const gateway = await gatewayOf(context, (request, response) => {
    connections.add(request.socket);
    server.answer(request, response);
  });
  let movedBytes = 0;
  const onBytes = (byteCount: number): void => void (movedBytes += byteCount);
  const target = downloader(folder.path, [gateway.address], { onBytes });
  assert.deepEqual(await target.download(requestOf(before, signal)), { kind: "done" });
  assert.ok((await downloaded(folder, before)).equals(before.blob));
  assert.equal(server.repeatedCount, 0);
  assert.equal(server.blobRequests.get(before.sha256), undefined);
  assert.equal(movedBytes, server.sentBytes);
  assert.ok(movedBytes < before.blob.length * 0.7, `${movedBytes} of ${before.blob.length} bytes`);
  assert.equal(connections.size, 2, "one for the index, one for all chunks");
});

it("the next version moves what changed, also twice in one blob", async (context) => {
  await using folder = await tempDir("chunks");
  const twice = await chunkBlob(Buffer.concat([after.blob, after.blob]));
  const server = serverOf(after, twice);
  const gateway = await gatewayOf(context, server.answer);
  await seed(folder, before);
  const target = downloader(folder.path, [gateway.address]);
  assert.deepEqual(await target.download(requestOf(after, signal)), { kind: "done" });
  assert.ok((await downloaded(folder, after)).equals(after.blob));
  assert.ok(server.chunkRequests.size <= 4, `${server.chunkRequests.size} chunks were fetched`);
  await target.download(requestOf(twice, signal));
  assert.ok((await downloaded(folder, twice)).equals(twice.blob));
  assert.equal(server.repeatedCount, 0, "nor what is in the part already");
  assert.ok(server.chunkRequests.size <= 6, "the seam is new, and nothing else");
});

it("an artifact that is kept unchanged moves its index and nothing else", async (context) => {
  await using folder = await tempDir("chunks");
  const server = serverOf(before);
  const gateway = await gatewayOf(context, server.answer);
  await seed(folder, before);
  await downloader(folder.path, [gateway.address]).download(requestOf(before, signal));
  assert.equal(server.sentBytes, before.index.bytes.length);
});

it("a seed that the disk has damaged helps less, and harms nothing", async (context) => {
  await using folder = await tempDir("chunks");
  const server = serverOf(after);
  const gateway = await gatewayOf(context, server.answer);
  const path = await seed(folder, before);
  const damaged = Buffer.from(before.blob);
  damaged.fill(0, 1_000_000, 1_200_000);
  await writeFile(path, damaged.subarray(0, 2_500_000));
  const target = downloader(folder.path, [gateway.address]);
  assert.deepEqual(await target.download(requestOf(after, signal)), { kind: "done" });
  assert.ok((await downloaded(folder, after)).equals(after.blob));
  assert.ok(server.chunkRequests.size > 5 && server.chunkRequests.size < after.index.count);
});

it("a part is used as far as its chunks are whole and right", async (context) => {
  await using folder = await tempDir("chunks");
  await mkdir(folder.join("downloads"));
  const part = folder.join("downloads", `${after.sha256}.part`);
  for (const [lengthBytes, damagedAt, keptChunks] of [
    [after.index.end(9) + 5, -1, 10],
    [after.index.end(9), after.index.start(4) + 7, 4],
    [after.index.end(9), -1, 10],
    [after.blob.length + 99, -1, after.index.count],
  ] as const) {
    const server = serverOf(after);
    const gateway = await gatewayOf(context, server.answer);
    const left = Buffer.concat([after.blob, Buffer.alloc(99)]).subarray(0, lengthBytes);
    if (damagedAt >= 0) left[damagedAt] = 255;
    await writeFile(part, left);
    const target = downloader(folder.path, [gateway.address]);
    assert.deepEqual(await target.download(requestOf(after, signal)), { kind: "done" });
    assert.ok((await downloaded(folder, after)).equals(after.blob));
    assert.equal(server.chunkRequests.size, after.index.count - keptChunks);
    await systemFiles.remove(folder.join("downloads", after.sha256));
  }
});

it("a gateway that does not know chunks serves the whole", async (context) => {
  await using folder = await tempDir("chunks");
  const server = serverOf(after);
  server.knowsChunks = false;
  const gateway = await gatewayOf(context, server.answer);
  await seed(folder, before);
  const target = downloader(folder.path, [gateway.address]);
  assert.deepEqual(await target.download(requestOf(after, signal)), { kind: "done" });
  assert.ok((await downloaded(folder, after)).equals(after.blob));
  assert.equal(server.blobRequests.get(after.sha256), 1);
});

it("an index that is missing or that of something else leads to the whole", async (context) => {
  const wrong = { ...before, index: after.index, indexSha256: after.indexSha256 };
  const otherBlob = await chunkBlob(Buffer.from(after.blob).fill(1, 0, 9));
  const sameLength = { ...otherBlob, index: after.index, indexSha256: after.indexSha256 };
  for (const archive of [wrong, sameLength, { ...before, indexSha256: "0".repeat(64) }]) {
    await using folder = await tempDir("chunks");
    const server = serverOf(after, archive);
    const gateway = await gatewayOf(context, server.answer);
    const target = downloader(folder.path, [gateway.address]);
    assert.deepEqual(await target.download(requestOf(archive, signal)), { kind: "done" });
    assert.ok((await downloaded(folder, archive)).equals(archive.blob));
    assert.equal(server.blobRequests.get(archive.sha256), 1);
  }
});

it("chunks that are others are never written, and another gateway is asked", async (context) => {
  await using folder = await tempDir("chunks");
  const lying = serverOf(after);
  lying.spoil = (id, data) => (id === after.index.id(7) ? Buffer.from("nothing") : data);
  const liar = await gatewayOf(context, lying.answer);
  const honest = serverOf(after);
  const other = await gatewayOf(context, honest.answer);
  const target = downloader(folder.path, [liar.address, other.address]);
  assert.deepEqual(await target.download(requestOf(after, signal)), { kind: "done" });
  assert.ok((await downloaded(folder, after)).equals(after.blob));
  assert.equal(honest.chunkRequests.size, after.index.count - 7);
});

it("where every gateway lies about a chunk, the whole follows behind it", async (context) => {
  await using folder = await tempDir("chunks");
  const lying = serverOf(after);
  lying.spoil = (id, data) => (id === after.index.id(7) ? data.subarray(1) : data);
  const ranges: (string | undefined)[] = [];
  const liar = await gatewayOf(context, (request, response) => {
    if (request.url === `/artifacts/sha256/${after.sha256}`) ranges.push(request.headers.range);
    lying.answer(request, response);
  });
  const result = await downloader(folder.path, [liar.address]).download(requestOf(after, signal));
  assert.deepEqual(result, { kind: "done" });
  assert.ok((await downloaded(folder, after)).equals(after.blob));
  assert.deepEqual(ranges, [`bytes=${after.index.end(6)}-`]);
  assert.equal(lying.chunkRequests.get(after.index.id(7)), 3);
});

it("where they lie about the whole as well, the download fails", async (context) => {
  await using folder = await tempDir("chunks");
  const lying = serverOf({ ...after, blob: Buffer.alloc(after.blob.length) });
  const liar = await gatewayOf(context, lying.answer);
  const result = await downloader(folder.path, [liar.address]).download(requestOf(after, signal));
  assert.deepEqual(result, {
    kind: "failed",
    reason: "digest-mismatch",
    detail: `what came is not artifact ${after.sha256}`,
  });
});

it("a download that needs the space takes that of the kept archives", async (context) => {
  await using folder = await tempDir("chunks");
  const gateway = await gatewayOf(context, serverOf(after).answer);
  await seed(folder, before);
  const isKept = async (): Promise<boolean> =>
    (await systemFiles.facts(folder.join("seeds"))) !== null;
  const files = {
    ...systemFiles,
    freeBytes: async () => ((await isKept()) ? 1_000_000 : 100_000_000),
  };
  const target = downloader(folder.path, [gateway.address], { files });
  assert.deepEqual(await target.download(requestOf(after, signal)), { kind: "done" });
  assert.ok((await downloaded(folder, after)).equals(after.blob));
  assert.equal(await isKept(), false);
  assert.deepEqual(
    (await readdir(folder.join("downloads"))).toSorted(),
    [after.sha256, `${after.sha256}.caibx`].toSorted(),
  );
});

it("an artifact is put together from the index and the store that casync made", async (context) => {
  if (!(await haveTools(context, "casync"))) return;
  await using folder = await tempDir("chunks");
  await writeFile(folder.join("app.tar"), after.blob);
  const words = ["make", "--store=theirs.castr", "app.caibx", "app.tar"];
  const made = await runTool("casync", words, { cwd: folder.path });
  assert.equal(made.status, 0, made.stderr);
  const index = await readFile(folder.join("app.caibx"));
  assert.deepEqual(index, after.index.bytes);
  const server = serverOf(after);
  server.serveStore(folder.join("theirs.castr"));
  const gateway = await gatewayOf(context, server.answer);
  const target = downloader(folder.path, [gateway.address]);
  assert.deepEqual(await target.download(requestOf(after, signal)), { kind: "done" });
  assert.ok((await downloaded(folder, after)).equals(after.blob));
  assert.equal(server.chunkRequests.size, new Set(ids(after)).size);
  await rename(folder.join("downloads", after.sha256), folder.join("again"));
});

function ids({ index }: ChunkedBlob): string[] {
  return Array.from({ length: index.count }, (_, position) => index.id(position));
}
