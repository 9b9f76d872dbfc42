// SPDX-License-Identifier: Apache-2.0
/**
 * A hundred megabytes through a real gateway, of which one percent changed; and a download whose
 * process is killed twenty times, at random, and ends whole.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
import type { Duplex } from "node:stream";
import { seededDraw } from "../../protocol/mqtt/testing/mutations.ts";
import { ChunkServer, requestOf } from "../integration/agent/chunk-server.ts";
import { downloader, gatewayOf } from "../integration/agent/download-fixture.ts";
import { publishBlob } from "../integration/gateway/artifact-client.ts";
import { GatewayFixture } from "../integration/gateway/gateway-fixture.ts";
import { chunkBlob, softwareTar } from "../helpers/chunked-blob.ts";
import { tempDir } from "../helpers/temp-dir.ts";

const SEED = 20_261_125;
const INTERRUPTION_COUNT = 20;
const FILE_COUNT = 5_000;
const CHANGED_COUNT = 50;
const DOWNLOAD_MAIN = fileURLToPath(new URL("download-main.ts", import.meta.url));

const facts = { seed: 3, fileCount: FILE_COUNT, fileBytes: 19_500 };
const before = await chunkBlob(await softwareTar(facts));

/** Every hundredth file, anywhere. */
function changedFiles(): ReadonlySet<number> {
  const draw = seededDraw(SEED);
  const changed = new Set<number>();
  while (changed.size < CHANGED_COUNT) changed.add(draw(FILE_COUNT));
  return changed;
}

/** Passes bytes on to a port and counts them, both ways: what a wire would carry. */
async function countingProxy(
  context: TestContext,
  port: number,
): Promise<{ port: number; movedBytes: () => number }> {
  let movedBytes = 0;
  const proxy = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (bytes: Buffer) => (movedBytes += bytes.length));
      from.on("error", () => to.destroy());
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  context.after(() => proxy.close());
  return { port: (proxy.address() as AddressInfo).port, movedBytes: () => movedBytes };
}

test("a hundred megabytes of which 1 % changed move 5 % at most", async (context) => {
  const changed = changedFiles();
  const after = await chunkBlob(
    await softwareTar({ ...facts, changed: (file) => changed.has(file) }),
  );
  assert.ok(after.blob.length > 100_000_000, `${after.blob.length} bytes`);
  const fixture = await GatewayFixture.start(context);
  const { key, cert, ca } = await fixture.enrol("pump-1");
  for (const archive of [before, after]) {
    publishBlob(fixture, archive.blob);
    publishBlob(fixture, archive.index.bytes);
  }
  const wire = await countingProxy(context, fixture.gateway.artifactsPort);
  await using folder = await tempDir("transfer");
  await mkdir(folder.join("seeds", "app"), { recursive: true });
  await writeFile(folder.join("seeds", "app", before.sha256), before.blob);
  await writeFile(folder.join("seeds", "app", `${before.sha256}.caibx`), before.index.bytes);
  const openStream = (): Promise<Duplex> =>
    new Promise((resolve, reject) => {
      const tls = { host: "127.0.0.1", port: wire.port, key, cert, ca };
      const stream = connectTls({ ...tls, checkServerIdentity: () => undefined });
      stream.once("secureConnect", () => resolve(stream)).once("error", reject);
    });
  const gateway = { host: "127.0.0.1", mqttsPort: 1, artifactsPort: wire.port };
  const { signal } = new AbortController();
  const target = downloader(folder.path, [gateway], { openStream });
  assert.deepEqual(await target.download(requestOf(after, signal)), { kind: "done" });
  assert.ok((await readFile(folder.join("downloads", after.sha256))).equals(after.blob));
  const share = wire.movedBytes() / after.blob.length;
  context.diagnostic(
    `${wire.movedBytes()} of ${after.blob.length} bytes moved: ${(share * 100).toFixed(2)} %`,
  );
  assert.ok(share <= 0.05, `${(share * 100).toFixed(2)} % moved`);
});

test("twenty kills at random cost one chunk each at most, and it ends whole", async (context) => {
  await using folder = await tempDir("transfer");
  const server = new ChunkServer();
  server.add(before);
  let child: ChildProcess | null = null;
  let killAt = 0;
  let askedCount = 0;
  const gateway = await gatewayOf(context, (request, response) => {
    if (request.url?.includes("/chunks/") === true) askedCount += 1;
    if (askedCount === killAt) child?.kill("SIGKILL");
    server.answer(request, response);
  });
  const draw = seededDraw(SEED);
  const meanDistance = before.index.count / (INTERRUPTION_COUNT + 1);
  let repeatedBefore = 0;
  for (let interruption = 1; interruption <= INTERRUPTION_COUNT; interruption += 1) {
    askedCount = 0;
    // Half of them wherever the process is just then, half between two named moments.
    const distance = 1 + draw(Math.floor(meanDistance * 1.8));
    const isNamed = interruption % 2 === 0;
    killAt = isNamed ? -1 : distance;
    const moment = interruption % 4 === 0 ? "agent.chunk.written" : "agent.download.middle";
    const faults = isNamed ? { MUSTER_FAULTS: `crash:${moment}#${distance}` } : {};
    child = startDownload(folder.path, gateway.address.artifactsPort, faults);
    const ended = await endOf(child);
    assert.equal(ended.signal, "SIGKILL", `interruption ${interruption}: ${ended.output}`);
    const repeated = server.repeatedCount;
    assert.ok(repeated - repeatedBefore <= 1, `${repeated - repeatedBefore} chunks moved twice`);
    repeatedBefore = repeated;
  }
  killAt = -1;
  const last = await endOf(startDownload(folder.path, gateway.address.artifactsPort, {}));
  assert.deepEqual([last.code, last.output], [0, '{"kind":"done"}\n']);
  assert.ok((await readFile(folder.join("downloads", before.sha256))).equals(before.blob));
  const { repeatedCount } = server;
  context.diagnostic(`${before.index.count} chunks, ${repeatedCount} of them moved twice`);
  assert.ok(repeatedCount <= INTERRUPTION_COUNT, `${repeatedCount} chunks moved twice`);
  assert.equal(server.blobRequests.get(before.sha256), undefined, "never the whole");
});

function startDownload(
  folder: string,
  port: number,
  environment: { readonly [name: string]: string },
): ChildProcess {
  const { sha256, lengthBytes, chunkIndex } = requestOf(before, new AbortController().signal);
  const request = JSON.stringify({ sha256, lengthBytes, chunkIndex });
  return spawn(process.execPath, [DOWNLOAD_MAIN, folder, String(port), request], {
    env: { PATH: process.env["PATH"], ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function endOf(
  child: ChildProcess,
): Promise<{ code: number | null; signal: string | null; output: string }> {
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (bytes: Buffer) => (output += bytes.toString()));
  }
  return new Promise((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal, output }));
  });
}
