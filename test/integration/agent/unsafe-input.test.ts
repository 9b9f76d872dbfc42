// SPDX-License-Identifier: Apache-2.0
/** Archives that lie, gateways that lie and disks that are full: the device keeps what it runs. */
import assert from "node:assert/strict";
import { access, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import type { BlobSource } from "../../../agent/download/blob-source.ts";
import type { Files, WritableFile } from "../../../agent/files/files.ts";
import { systemFiles } from "../../../agent/files/system-files.ts";
import { MusterError } from "../../../domain/errors.ts";
import type { DeviceReport } from "../../../protocol/device/report.ts";
import { folderSource, startFixtureAgent } from "./fixture-agent.ts";
import type { FixtureAgent, FixtureAgentOptions } from "./fixture-agent.ts";
import { offerOf, publish, publishApp, tar } from "./fixture-release.ts";
import type { FixtureRelease, TarEntry } from "./fixture-release.ts";

let folder: string;
let blobFolder: string;
let agent: FixtureAgent;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "muster-agent-"));
  blobFolder = join(folder, "blobs");
});
afterEach(async () => {
  await agent.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Installs version 1.0.0, then offers `release`; the last report on it. */
async function tryOver(
  release: FixtureRelease,
  options: Partial<FixtureAgentOptions> = {},
): Promise<DeviceReport | undefined> {
  const good = await publishApp({ blobFolder, version: "1.0.0" });
  agent = await startFixtureAgent({ dataDirectory: join(folder, "data"), blobFolder, ...options });
  await agent.offer(offerOf(good, 1));
  await agent.offer(offerOf(release, 2));
  assert.equal(agent.evidence.status("app").digest, good.digest, "what ran before runs on");
  assert.equal(agent.evidence.status("app").health, "healthy");
  return agent.outbox
    .pending()
    .filter((report) => report.generation === 2)
    .at(-1);
}

async function archiveRelease(archive: Buffer, unpackedBytes = 1_000_000): Promise<FixtureRelease> {
  return publish({
    blobFolder,
    version: "2.0.0",
    artifacts: { "app.tar": archive },
    steps: [{ kind: "archive", artifact: "app.tar", to: "" }],
    unpackedBytes,
  });
}

describe("an archive", () => {
  const escapes: readonly { name: string; entries: readonly TarEntry[] }[] = [
    { name: "with a path that climbs out", entries: [{ header: { name: "../../escaped" } }] },
    { name: "with an absolute path", entries: [{ header: { name: "/muster-escaped" } }] },
    {
      name: "that writes through a link of its own",
      entries: [
        { header: { name: "out", type: "symlink", linkname: "sub" } },
        { header: { name: "out/file" }, content: "x" },
      ],
    },
    {
      name: "with a link to the outside",
      entries: [{ header: { name: "etc", type: "symlink", linkname: "../../../etc" } }],
    },
    {
      name: "with a hard link to a file that is not in it",
      entries: [{ header: { name: "x", type: "link", linkname: "not-there" } }],
    },
    { name: "with a device", entries: [{ header: { name: "d", type: "character-device" } }] },
    { name: "with a setuid file", entries: [{ header: { name: "su", mode: 0o4755 } }] },
    {
      name: "that puts a file where it has a folder",
      entries: [
        { header: { name: "a", type: "directory" } },
        { header: { name: "a" }, content: "x" },
      ],
    },
  ];
  for (const { name, entries } of escapes) {
    it(`${name} is refused`, async () => {
      const report = await tryOver(await archiveRelease(await tar(entries)));
      assert.deepEqual([report?.phase, report?.reason], ["rolled-back", "unsafe-archive"]);
      await assert.rejects(access(join(folder, "escaped")));
      await assert.rejects(access(join(folder, "data", "slots", "escaped")));
      assert.deepEqual((await readdir(join(folder, "data", "slots", "app"))).toSorted(), [
        "a",
        "a.json",
        "current",
        "slot.json",
      ]);
    });
  }

  it("that unpacks to more than the release states is refused", async () => {
    const archive = gzipSync(
      await tar([{ header: { name: "zeros" }, content: Buffer.alloc(2_000_000) }]),
    );
    const report = await tryOver(await archiveRelease(archive));
    assert.equal(report?.reason, "archive-too-large");
  });

  it("that unpacks beyond any honest ratio is refused, whatever the release states", async () => {
    const zeros = Buffer.alloc(70_000_000);
    const archive = gzipSync(await tar([{ header: { name: "zeros" }, content: zeros }]));
    const report = await tryOver(await archiveRelease(archive, 100_000_000));
    assert.equal(report?.reason, "archive-too-large");
  });

  it("that is all headers is refused", async () => {
    const long = { pax: { comment: "x".repeat(3_000_000) } };
    const archive = gzipSync(await tar([{ header: { name: "a", ...long }, content: "x" }]));
    const report = await tryOver(await archiveRelease(archive));
    assert.equal(report?.reason, "archive-too-large");
  });

  it("that is cut short is refused", async () => {
    const whole = gzipSync(
      await tar([{ header: { name: "a" }, content: Buffer.alloc(100_000, 1) }]),
    );
    const report = await tryOver(await archiveRelease(whole.subarray(0, whole.length - 40)));
    assert.equal(report?.reason, "unsafe-archive");
  });

  it("that is none is refused", async () => {
    const report = await tryOver(await archiveRelease(Buffer.alloc(2_048, "no archive ")));
    assert.equal(report?.reason, "unsafe-archive");
  });
});

describe("a gateway", () => {
  const tampering = (change: (body: Buffer) => readonly Buffer[]): BlobSource => {
    const honest = folderSource(blobFolder);
    let manifestCount = 0;
    return {
      get: async (request) => {
        const answer = await honest.get(request);
        if (answer.kind !== "bytes") return answer;
        const chunks: Uint8Array[] = [];
        for await (const chunk of answer.body) chunks.push(chunk);
        const body = Buffer.concat(chunks);
        manifestCount += 1;
        // Honest for all of the first release and the manifest of the second.
        const parts = manifestCount <= 4 ? [body] : change(body);
        return { kind: "bytes", fromByte: answer.fromByte, body: parts as never };
      },
    };
  };

  it("that sends other bytes is found out", async () => {
    const release = await publishApp({ blobFolder, version: "2.0.0" });
    const source = tampering((body) => [Buffer.alloc(body.length, 7)]);
    const report = await tryOver(release, { source });
    assert.deepEqual([report?.phase, report?.reason], ["failed", "digest-mismatch"]);
  });

  it("that sends more than was promised is cut off", async () => {
    const release = await publishApp({ blobFolder, version: "2.0.0" });
    const source = tampering((body) => [body, Buffer.alloc(1_000)]);
    const report = await tryOver(release, { source });
    assert.deepEqual([report?.phase, report?.reason], ["failed", "digest-mismatch"]);
  });

  it("that does not have the artifact is reported after a bounded number of tries", async () => {
    const release = await publishApp({ blobFolder, version: "2.0.0" });
    await rm(join(blobFolder, release.manifest.artifacts[0]!.sha256));
    const report = await tryOver(release);
    assert.deepEqual([report?.phase, report?.reason], ["failed", "download-failed"]);
  });
});

describe("a full disk", () => {
  /** System files on which writing below a place fails while `isFull`. */
  function fillable(place: RegExp): { files: Files; fill: (isFull: boolean) => void } {
    let isFull = false;
    const full = (path: string): void => {
      if (!isFull || !place.test(path)) return;
      throw new MusterError({ code: "no_space", message: "cannot write: the disk is full" });
    };
    const guarded = (path: string, file: WritableFile): WritableFile => ({
      ...file,
      write: async (bytes) => {
        full(path);
        await file.write(bytes);
      },
    });
    const files: Files = {
      ...systemFiles,
      createFile: async (path, mode) => guarded(path, await systemFiles.createFile(path, mode)),
      appendFile: async (path) => guarded(path, await systemFiles.appendFile(path)),
      writeAtomically: async (options) => {
        full(options.path);
        await systemFiles.writeAtomically(options);
      },
    };
    return { files, fill: (value) => (isFull = value) };
  }

  async function fillBeforeSecond(place: RegExp): Promise<DeviceReport | undefined> {
    const { files, fill } = fillable(place);
    const good = await publishApp({ blobFolder, version: "1.0.0" });
    const next = await publishApp({ blobFolder, version: "2.0.0" });
    agent = await startFixtureAgent({ dataDirectory: join(folder, "data"), blobFolder, files });
    await agent.offer(offerOf(good, 1));
    fill(true);
    await agent.offer(offerOf(next, 2));
    assert.equal(agent.evidence.status("app").digest, good.digest);
    fill(false);
    await agent.offer(offerOf(next, 3));
    assert.equal(agent.evidence.status("app").digest, next.digest, "it goes on when there is room");
    return agent.outbox
      .pending()
      .filter((report) => report.generation === 2)
      .at(-1);
  }

  it("while downloading the manifest is a rejection", async () => {
    const report = await fillBeforeSecond(/downloads/);
    assert.deepEqual([report?.phase, report?.reason], ["rejected", "no-space"]);
  });

  it("while unpacking ends with what ran before", async () => {
    const report = await fillBeforeSecond(/slots\/app\/b\//);
    assert.deepEqual([report?.phase, report?.reason], ["rolled-back", "no-space"]);
  });

  it("while sealing ends with what ran before", async () => {
    const report = await fillBeforeSecond(/slots\/app\/b\.json/);
    assert.deepEqual([report?.phase, report?.reason], ["rolled-back", "no-space"]);
  });

  it("under the journal makes the agent wait for room and go on where it was", async () => {
    const { files, fill } = fillable(/journal\.json/);
    const good = await publishApp({ blobFolder, version: "1.0.0" });
    agent = await startFixtureAgent({ dataDirectory: join(folder, "data"), blobFolder, files });
    fill(true);
    const installed = agent.until("installed");
    await agent.send(offerOf(good, 1));
    setImmediate(() => fill(false));
    await installed;
    assert.equal(agent.evidence.status("app").digest, good.digest);
  });
});
