// SPDX-License-Identifier: Apache-2.0
/** Downloads over real HTTP, without its TLS: resume, verification, other gateways. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { it } from "node:test";
import type { TestContext } from "node:test";
import { ArtifactDownloader } from "../../../agent/download/artifact-downloader.ts";
import { httpsBlobSource } from "../../../agent/download/https-blob-source.ts";
import { systemFiles } from "../../../agent/files/system-files.ts";
import type { GatewayAddress } from "../../../agent/link/gateway-address.ts";
import { GatewayCandidates } from "../../../agent/link/gateway-candidates.ts";
import { dataLayout } from "../../../agent/slots/slot-layout.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import type { Random } from "../../../ports/random.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { sha256 } from "./fixture-release.ts";

const BLOB = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
const DIGEST = sha256(BLOB);
const { signal } = new AbortController();
const noPause: Random = { next: () => 0, bytes: (length) => new Uint8Array(length) };

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A gateway that answers as told; `asked` has the Range header of each request. */
async function gatewayOf(
  context: TestContext,
  answer: Answer,
): Promise<{ address: GatewayAddress; asked: (string | undefined)[] }> {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.range);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { address: { host: "127.0.0.1", mqttsPort: 1, artifactsPort: port }, asked };
}

const honest: Answer = (request, response) => {
  const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "bytes=0-")?.[1]);
  if (begin > 0) {
    const range = `bytes ${begin}-${BLOB.length - 1}/${BLOB.length}`;
    response.writeHead(206, { "content-range": range });
  }
  response.end(BLOB.subarray(begin));
};

function downloader(folder: string, gateways: readonly GatewayAddress[]): ArtifactDownloader {
  const layout = dataLayout(folder);
  const shared = { files: systemFiles, random: noPause, logger: SILENT_LOGGER };
  return new ArtifactDownloader({
    ...shared,
    layout,
    clock: systemClock,
    onBytes: () => {},
    source: httpsBlobSource({
      openStream: ({ host, port }) =>
        new Promise((resolve) => {
          const stream = connect(port, host, () => resolve(stream));
        }),
    }),
    candidates: new GatewayCandidates({
      ...shared,
      path: layout.directory,
      gateways,
      fetchDirectory: () => Promise.reject(new Error("never asked")),
    }),
  });
}

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
