// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { TestContext } from "node:test";
import {
  makePrivateFolder,
  readFileIfPresent,
  readPrivateFile,
  removeFile,
  writeDurableFile,
} from "./durable-file.ts";

async function folder(context: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "muster-durable-"));
  context.after(() => rm(path, { recursive: true }));
  return path;
}

describe("a durable file", () => {
  it("is replaced whole, with the mode asked for, nothing left beside", async (context) => {
    const path = join(await folder(context), "key.pem");
    await writeDurableFile(path, "one");
    assert.equal((await stat(path)).mode & 0o777, 0o644);
    await writeDurableFile(path, "two", { mode: 0o600 });
    assert.equal(await readFile(path, "utf8"), "two");
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(join(path, "..")), ["key.pem"]);
  });

  it("overwrites what a power cut left half-written, whatever its mode", async (context) => {
    const path = join(await folder(context), "key.pem");
    await writeFile(join(path, "..", ".key.pem.tmp"), "a long half-written secret");
    await chmod(join(path, "..", ".key.pem.tmp"), 0o644);
    await writeDurableFile(path, "new", { mode: 0o600 });
    assert.equal(await readFile(path, "utf8"), "new");
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  it("says which file could not be written, and keeps the old one", async (context) => {
    const path = join(await folder(context), "not-there", "key.pem");
    await assert.rejects(writeDurableFile(path, "x"), {
      code: "internal",
      message: `cannot write ${path}: ENOENT`,
      detail: { file: path },
    });
    const taken = join(path, "..");
    await mkdir(join(taken, ".key.pem.tmp"), { recursive: true });
    await writeFile(path, "old");
    await assert.rejects(writeDurableFile(path, "new"), { message: /cannot write .*: EISDIR/ });
    assert.equal(await readFile(path, "utf8"), "old");
  });

  it("is null when absent, and removing it twice is no error", async (context) => {
    const path = join(await folder(context), "a", "b", "file");
    await makePrivateFolder(join(path, ".."));
    assert.equal(await readFileIfPresent(path), null);
    assert.equal(await readPrivateFile(path), null);
    await writeDurableFile(path, "x");
    await removeFile(path);
    await removeFile(path);
    assert.equal(await readFileIfPresent(path), null);
  });

  it("is refused as a private key when others can read it", async (context) => {
    const path = join(await folder(context), "key.pem");
    await writeDurableFile(path, "secret", { mode: 0o640 });
    await assert.rejects(readPrivateFile(path), {
      code: "failed_precondition",
      message: "the private key can be read by other users (mode 640)",
    });
  });
});
