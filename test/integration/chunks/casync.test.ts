// SPDX-License-Identifier: Apache-2.0
/** What `muster release` writes is what Debian's casync reads, and makes, byte for byte. */
import assert from "node:assert/strict";
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import { test, type TestContext } from "node:test";
import type { ReleaseManifest } from "../../../protocol/device/release-manifest.ts";
import { seededDraw } from "../../../protocol/mqtt/testing/mutations.ts";
import { tempDir, type TempDir } from "../../helpers/temp-dir.ts";
import { haveTools, runTool } from "../../helpers/tools.ts";
import { runMuster } from "../cli/run-muster.ts";

const DOCUMENT = `apiVersion: muster/v1
kind: Release
metadata: { name: image, version: 1.0.0 }
spec:
  slot: app
  artifacts: [{ name: disk, file: disk.img }]
  steps: [{ kind: file, artifact: disk, to: disk.img }]
`;

/** Noise, text that repeats, and zeros. */
function image(): Buffer {
  const draw = seededDraw(7);
  const noise = Buffer.from(Array.from({ length: 900_000 }, () => draw(256)));
  return Buffer.concat([noise, Buffer.alloc(700_000), Buffer.from("muster ".repeat(80_000))]);
}

async function bundleIn(folder: TempDir, version: string): Promise<ReleaseManifest> {
  await writeFile(folder.join("release.yaml"), DOCUMENT.replace("1.0.0", version));
  const options = { cwd: folder.path };
  const created = await runMuster(["release", "create", "release.yaml"], options);
  assert.deepEqual(created, { status: 0, stdout: `image-${version}.muster\n`, stderr: "" });
  const text = await readFile(folder.join(`image-${version}.muster`, "manifest.json"), "utf8");
  return JSON.parse(text) as ReleaseManifest;
}

async function casync(
  context: TestContext,
  folder: TempDir,
  words: readonly string[],
): Promise<boolean> {
  if (!(await haveTools(context, "casync"))) return false;
  const result = await runTool("casync", words, { cwd: folder.path });
  assert.equal(result.status, 0, result.stderr);
  return true;
}

test("our index of a file is casync's index of it", async (context) => {
  await using folder = await tempDir("casync");
  await writeFile(folder.join("disk.img"), image());
  const words = ["make", "--store=theirs.castr", "theirs.caibx", "disk.img"];
  if (!(await casync(context, folder, words))) return;
  const { artifacts } = await bundleIn(folder, "1.0.0");
  const sha256 = artifacts[0]?.chunkIndex?.sha256 ?? "";
  const ours = await readFile(folder.join("image-1.0.0.muster", "artifacts", sha256));
  assert.deepEqual(ours, await readFile(folder.join("theirs.caibx")));
});

test("casync extracts from what `muster release export` wrote", async (context) => {
  await using folder = await tempDir("casync");
  await writeFile(folder.join("disk.img"), image());
  await bundleIn(folder, "1.0.0");
  const words = ["release", "export", "image-1.0.0.muster", "--out", "public", "-o", "json"];
  const exported = await runMuster(words, { cwd: folder.path });
  const [row] = JSON.parse(exported.stdout) as { chunks: number; newChunks: number }[];
  assert.ok(row !== undefined && row.newChunks > 10 && row.newChunks < row.chunks, exported.stdout);
  const extract = ["extract", "--store=public/chunks.castr", "public/disk.caibx", "again.img"];
  if (!(await casync(context, folder, extract))) return;
  assert.deepEqual(await readFile(folder.join("again.img")), image());
});

test("the next version adds only its new chunks to the store", async () => {
  await using folder = await tempDir("casync");
  await writeFile(folder.join("disk.img"), image());
  await bundleIn(folder, "1.0.0");
  await appendFile(folder.join("disk.img"), "one line more\n");
  await bundleIn(folder, "1.0.1");
  const counts: number[] = [];
  for (const version of ["1.0.0", "1.0.1", "1.0.1"]) {
    const bundle = `image-${version}.muster`;
    const words = ["release", "export", bundle, "--out", "public", "-o", "json"];
    const exported = await runMuster(words, { cwd: folder.path });
    counts.push((JSON.parse(exported.stdout) as { newChunks: number }[])[0]?.newChunks ?? -1);
  }
  assert.deepEqual(counts.slice(1), [1, 0]);
});

test("bad input to `muster release export` is said once, and whole", async () => {
  await using folder = await tempDir("casync");
  await writeFile(folder.join("disk.img"), "small");
  await bundleIn(folder, "1.0.0");
  const words = ["release", "export", "image-1.0.0.muster", "--out", "public"];
  const small = await runMuster(words, { cwd: folder.path });
  assert.deepEqual(small, {
    status: 1,
    stdout: "",
    stderr:
      "muster: image-1.0.0.muster: no artifact of the bundle has a chunk index\n" +
      "  → artifacts under 128 KiB are moved whole and need none\n",
  });
  await writeFile(folder.join("disk.img"), image());
  await rm(folder.join("image-1.0.0.muster"), { recursive: true });
  await bundleIn(folder, "1.0.0");
  await writeFile(folder.join("public"), "in the way");
  const inTheWay = await runMuster(words, { cwd: folder.path });
  assert.equal(
    inTheWay.stderr,
    "muster: public: writing the chunks failed: a part of the path is a file, not a folder\n",
  );
});

test("a compressed artifact is said to share nothing with its next version", async () => {
  await using folder = await tempDir("casync");
  await writeFile(folder.join("disk.img"), Buffer.concat([Buffer.of(0x1f, 0x8b), image()]));
  await writeFile(folder.join("release.yaml"), DOCUMENT);
  const created = await runMuster(["release", "create", "release.yaml"], { cwd: folder.path });
  assert.equal(created.status, 0);
  assert.match(created.stderr, /^The artifact "disk" is compressed with gzip: its next version/);
  assert.match(
    created.stderr,
    /\nPack it without compression, and devices fetch only what changed/,
  );
});
