// SPDX-License-Identifier: Apache-2.0
/** What an agent keeps of one installation is what the next one does not fetch. */
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { it } from "node:test";
import type { BlobSource } from "../../../agent/download/blob-source.ts";
import { systemFiles } from "../../../agent/files/system-files.ts";
import { tempDir, type TempDir } from "../../helpers/temp-dir.ts";
import { folderSource, startFixtureAgent, type FixtureAgent } from "./fixture-agent.ts";
import { offerOf, publish, publishChunkedApp, type FixtureRelease } from "./fixture-release.ts";

class Setup implements AsyncDisposable {
  readonly folder: TempDir;
  /** Paths asked for, since `asked` was cleared. */
  readonly asked: string[] = [];
  #generation = 0;
  #agent: FixtureAgent | null = null;

  constructor(folder: TempDir) {
    this.folder = folder;
  }

  get blobFolder(): string {
    return this.folder.join("blobs");
  }

  /** Chunks that the installation fetched. */
  async install(release: FixtureRelease | null): Promise<number> {
    const before = this.asked.length;
    this.#generation += 1;
    await this.#agent?.offer(offerOf(release, this.#generation));
    return this.asked.slice(before).filter((path) => path.includes("/chunks/")).length;
  }

  async start(options: { freeBytes?: number } = {}): Promise<void> {
    const { freeBytes } = options;
    const source = folderSource(this.blobFolder);
    const counting: BlobSource = {
      get: (asked) => {
        this.asked.push(asked.path);
        return source.get(asked);
      },
    };
    this.#agent = await startFixtureAgent({
      dataDirectory: this.folder.join("data"),
      blobFolder: this.blobFolder,
      source: counting,
      files:
        freeBytes === undefined
          ? systemFiles
          : { ...systemFiles, freeBytes: () => Promise.resolve(freeBytes) },
    });
  }

  /** The agent's end: until then it may be cleaning up. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.stop();
    this.#agent = null;
  }

  /** Digests of the archives that are kept; each has its index beside it. */
  async seeds(): Promise<string[]> {
    const names = (await systemFiles.list(this.folder.join("data", "seeds", "app"))) ?? [];
    const archives = names.filter((name) => !name.endsWith(".caibx"));
    assert.deepEqual(names, archives.flatMap((name) => [name, `${name}.caibx`]).toSorted());
    return archives;
  }

  async downloads(): Promise<string[]> {
    return readdir(this.folder.join("data", "downloads"));
  }
}

function archiveOf({ manifest }: FixtureRelease): string {
  return manifest.artifacts[0]?.sha256 ?? "";
}

it("each version is put together from the one before, which is then given up", async () => {
  await using folder = await tempDir("seeds");
  await using setup = new Setup(folder);
  const one = await publishChunkedApp({ blobFolder: setup.blobFolder, version: "1.0.0" });
  const two = await publishChunkedApp({ blobFolder: setup.blobFolder, version: "2.0.0" });
  await setup.start();
  assert.ok((await setup.install(one)) >= 6);
  assert.deepEqual(await setup.seeds(), [archiveOf(one)]);
  assert.equal(await setup.install(two), 1, "the chunk with the version in it");
  assert.deepEqual(await setup.seeds(), [archiveOf(two)]);
  await setup[Symbol.asyncDispose]();
  assert.deepEqual(await setup.downloads(), []);
});

it("a release that fails leaves the archive of the one that runs", async () => {
  await using folder = await tempDir("seeds");
  await using setup = new Setup(folder);
  const { blobFolder } = setup;
  const good = await publishChunkedApp({ blobFolder, version: "1.0.0" });
  const sick = await publishChunkedApp({ blobFolder, version: "2.0.0", isHealthy: false });
  const next = await publishChunkedApp({ blobFolder, version: "3.0.0" });
  const steps = [{ kind: "command", run: ["/bin/true"] }] as const;
  const without = await publish({ blobFolder, version: "4.0.0", artifacts: {}, steps });
  await setup.start();
  await setup.install(good);
  assert.equal(await setup.install(sick), 1);
  assert.deepEqual(await setup.seeds(), [archiveOf(good)]);
  await setup.install(without);
  await setup.install(null);
  assert.deepEqual(await setup.seeds(), [archiveOf(good)], "still like what may come");
  assert.equal(await setup.install(next), 1);
});

it("on a disk that is nearly full nothing is kept, and installing works", async () => {
  await using folder = await tempDir("seeds");
  await using setup = new Setup(folder);
  const one = await publishChunkedApp({ blobFolder: setup.blobFolder, version: "1.0.0" });
  const two = await publishChunkedApp({ blobFolder: setup.blobFolder, version: "2.0.0" });
  await setup.start();
  await setup.install(one);
  await setup[Symbol.asyncDispose]();
  await setup.start({ freeBytes: 400_000 });
  assert.equal(await setup.install(two), 0, "there is no room even for the download");
  assert.deepEqual(await setup.seeds(), [], "its space was given up before it failed");
});
