// SPDX-License-Identifier: Apache-2.0
/** Downloads over real HTTP, without its TLS: resume, verification, other gateways. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { it } from "node:test";
import { systemFiles } from "../../../agent/files/system-files.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { downloader, gatewayOf, type Answer } from "./download-fixture.ts";
import { sha256 } from "./fixture-release.ts";

const BLOB = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
const DIGEST = sha256(BLOB);
const { signal } = new AbortController();
const honest: Answer = (request, response) => {
  const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "bytes=0-")?.[1]);
  if (begin > 0) {
    const range = `bytes ${begin}-${BLOB.length - 1}/${BLOB.length}`;
    response.writeHead(206, { "content-range": range });
  }
  response.end(BLOB.subarray(begin));
};

const request = { sha256: DIGEST, lengthBytes: BLOB.length, signal };

it("a download that breaks off goes on where it was, at the next gateway", async (context) => {
  await using folder = await tempDir("download");
  const breaking = await gatewayOf(context, (_request, response) => {
    response.writeHead(200, { "content-length": BLOB.length });
    response.write(BLOB.subarray(0, 100_000), () => response.destroy());
  });
  const whole = await gatewayOf(context, honest);
  const gateways = [breaking.address, whole.address];
  const result = await downloader(folder.path, gateways).download(request);
  assert.deepEqual(result, { kind: "done" });
  assert.equal(breaking.asked.length, 1);
  assert.match(whole.asked[0] ?? "", /^bytes=[1-9]\d*-$/);
  assert.deepEqual(await readFile(folder.join("downloads", DIGEST)), BLOB);
});

it("what an earlier life left is verified too, and thrown away when wrong", async (context) => {
  await using folder = await tempDir("download");
  const gateway = await gatewayOf(context, honest);
  const target = downloader(folder.path, [gateway.address]);
  await systemFiles.makeFolder(folder.join("downloads"));
  const part = folder.join("downloads", `${DIGEST}.part`);
  await writeFile(part, Buffer.alloc(200_000, 9));
  assert.deepEqual(await target.download(request), { kind: "done" });
  assert.deepEqual(gateway.asked, ["bytes=200000-", undefined]);
});

it("a gateway that ignores ranges is read from the start", async (context) => {
  await using folder = await tempDir("download");
  const gateway = await gatewayOf(context, (_request, response) => response.end(BLOB));
  await systemFiles.makeFolder(folder.join("downloads"));
  await writeFile(folder.join("downloads", `${DIGEST}.part`), BLOB.subarray(0, 1_000));
  const result = await downloader(folder.path, [gateway.address]).download(request);
  assert.deepEqual(result, { kind: "done" });
  assert.deepEqual(gateway.asked, ["bytes=1000-"]);
});

it("a gateway that is busy is asked again, and is not left for another", async (context) => {
  await using folder = await tempDir("download");
  let busyCount = 12;
  const gateway = await gatewayOf(context, (incoming, response) => {
    busyCount -= 1;
    if (busyCount < 0) honest(incoming, response);
    else response.writeHead(503, { "retry-after": "0" }).end();
  });
  const other = await gatewayOf(context, honest);
  const gateways = [gateway.address, other.address];
  const result = await downloader(folder.path, gateways).download(request);
  assert.deepEqual(result, { kind: "done" });
  assert.equal(other.asked.length, 0);
});

it("wrong bytes are given up after a bounded number of whole downloads", async (context) => {
  await using folder = await tempDir("download");
  const lying = await gatewayOf(context, (_request, response) => {
    response.end(Buffer.alloc(BLOB.length, 1));
  });
  const result = await downloader(folder.path, [lying.address]).download(request);
  assert.equal(result.kind === "failed" && result.reason, "digest-mismatch");
  assert.equal(lying.asked.length, 3);
});

it("a download that does not fit the disk is not begun", async (context) => {
  await using folder = await tempDir("download");
  const gateway = await gatewayOf(context, honest);
  const lengthBytes = Number.MAX_SAFE_INTEGER;
  const target = downloader(folder.path, [gateway.address]);
  const result = await target.download({ ...request, lengthBytes });
  assert.equal(result.kind === "failed" && result.reason, "no-space");
  assert.equal(gateway.asked.length, 0);
});

it("the gateway is told for which rollout it is, so that it keeps to the caps", async (context) => {
  await using folder = await tempDir("download");
  const told: unknown[] = [];
  const gateway = await gatewayOf(context, (asked, response) => {
    told.push(asked.headers["muster-rollout"]);
    honest(asked, response);
  });
  const target = downloader(folder.path, [gateway.address]);
  assert.deepEqual(await target.download({ ...request, rollout: 17 }), { kind: "done" });
  assert.deepEqual(told, ["17"]);
});
