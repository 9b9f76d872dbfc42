// SPDX-License-Identifier: Apache-2.0
/** What a plan says is to be moved: the chunks that a device lacks, given what it runs. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { it } from "node:test";
import { measureDownloads } from "../../../center/releases/download-sizes.ts";
import type { ArtifactStore } from "../../../ports/artifact-store.ts";
import type { ReleaseManifest } from "../../../protocol/device/release-manifest.ts";
import { chunkBlob, softwareTar, type ChunkedBlob } from "../../helpers/chunked-blob.ts";

const { signal } = new AbortController();
const FACTS = { seed: 8, fileCount: 60, fileBytes: 20_000 };
const before = await chunkBlob(await softwareTar(FACTS));
const after = await chunkBlob(await softwareTar({ ...FACTS, changed: (file) => file === 30 }));

class Published implements Pick<ArtifactStore, "stat" | "read"> {
  readonly #blobs = new Map<string, Buffer>();
  /** How often a blob was read: once a pair of releases, however many devices. */
  readCount = 0;

  add(bytes: Buffer): string {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    this.#blobs.set(sha256, bytes);
    return sha256;
  }

  /** A release of an archive and of a small file without chunks; answers its digest. */
  release(version: string, archive: ChunkedBlob): string {
    const small = Buffer.from("small");
    const sha256 = this.add(small);
    const lengthBytes = archive.index.bytes.length;
    const chunkIndex = { sha256: this.add(archive.index.bytes), lengthBytes };
    const manifest: ReleaseManifest = {
      schema: "muster.release/v1",
      tenant: "default",
      name: "app",
      version,
      slot: "app",
      fits: {},
      artifacts: [
        { name: "app", sha256: archive.sha256, lengthBytes: archive.blob.length, chunkIndex },
        { name: "small", sha256, lengthBytes: small.length, chunkIndex: null },
      ],
      steps: [{ kind: "file", artifact: "small", to: "small" }],
    };
    return this.add(Buffer.from(JSON.stringify(manifest)));
  }

  stat(sha256: string): Promise<{ sha256: string; lengthBytes: number } | null> {
    const bytes = this.#blobs.get(sha256);
    return Promise.resolve(bytes === undefined ? null : { sha256, lengthBytes: bytes.length });
  }

  async *read(sha256: string): AsyncGenerator<Uint8Array> {
    this.readCount += 1;
    yield this.#blobs.get(sha256) ?? Buffer.alloc(0);
  }
}

it("a device that runs the version before lacks the chunks that changed", async () => {
  const artifacts = new Published();
  const [old, next] = [artifacts.release("1.0.0", before), artifacts.release("2.0.0", after)];
  const sizes = await measureDownloads({
    artifacts,
    release: { sha256: next, downloadBytes: 1 },
    running: ["", old, next, "0".repeat(64)],
    isPublished: (digest) => [old, next].includes(digest),
    signal,
  });
  const indexAndSmall = after.index.bytes.length + 5;
  const known = new Set(ids(before));
  const changed = ids(after).map((id, position) =>
    known.has(id) ? 0 : after.index.lengthBytes(position),
  );
  const changedBytes = changed.reduce((sum, bytes) => sum + bytes, 0);
  assert.ok(changedBytes > 0 && changedBytes < after.blob.length / 4);
  assert.equal(sizes(old), indexAndSmall + changedBytes);
  assert.equal(sizes(next), indexAndSmall);
  assert.equal(sizes(""), indexAndSmall + after.blob.length);
  assert.equal(sizes("0".repeat(64)), sizes(""), "a release of elsewhere");
  assert.equal(artifacts.readCount, 6, "manifest and index, of the release and of each pair");
});

it("a release whose manifest is not here counts as it was published", async () => {
  const sizes = await measureDownloads({
    artifacts: new Published(),
    release: { sha256: "1".repeat(64), downloadBytes: 77 },
    running: [""],
    isPublished: () => true,
    signal,
  });
  assert.equal(sizes(""), 77);
});

function ids({ index }: ChunkedBlob): string[] {
  return Array.from({ length: index.count }, (_, position) => index.id(position));
}
