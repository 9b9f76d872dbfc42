// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { chmod, link, mkdir, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { systemFiles } from "../../../agent/files/system-files.ts";
import { measureTree } from "../../../agent/slots/tree-digest.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import type { TempDir } from "../../helpers/temp-dir.ts";

const { signal } = new AbortController();
const measure = (folder: TempDir): Promise<string> =>
  measureTree({ files: systemFiles, folder: folder.path, signal });

async function tree(): Promise<TempDir> {
  const folder = await tempDir("tree");
  await mkdir(folder.join("bin"));
  await writeFile(folder.join("bin", "app"), "program", { mode: 0o755 });
  await writeFile(folder.join("note"), "text");
  await symlink("bin/app", folder.join("app"));
  return folder;
}

describe("the digest of a tree", () => {
  it("is the same for the same content, whenever and wherever it was written", async () => {
    await using one = await tree();
    await using two = await tree();
    await utimes(two.join("note"), 1, 1);
    assert.equal(await measure(one), await measure(two));
  });

  const changes: readonly [string, (folder: TempDir) => Promise<void>][] = [
    ["a byte", (folder) => writeFile(folder.join("note"), "texT")],
    ["a mode", (folder) => chmod(folder.join("bin", "app"), 0o700)],
    ["a name", (folder) => rename(folder.join("note"), folder.join("nota"))],
    ["an empty folder", (folder) => mkdir(folder.join("empty")).then(() => {})],
    ["a file less", (folder) => rm(folder.join("note"))],
    ["a folder's mode", (folder) => chmod(folder.join("bin"), 0o700)],
    [
      "a link's target",
      async (folder) => {
        await rm(folder.join("app"));
        await symlink("bin/./app", folder.join("app"));
      },
    ],
    [
      "a link that became what it led to",
      async (folder) => {
        await rm(folder.join("app"));
        await link(folder.join("bin", "app"), folder.join("app"));
      },
    ],
  ];
  for (const [name, change] of changes) {
    it(`changes with ${name}`, async () => {
      await using folder = await tree();
      const before = await measure(folder);
      await change(folder);
      assert.notEqual(await measure(folder), before);
    });
  }
});
