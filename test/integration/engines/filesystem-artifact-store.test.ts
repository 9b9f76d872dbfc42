// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, truncate } from "node:fs/promises";
import { describe, test } from "node:test";
import { openFilesystemArtifactStore } from "../../../engines/filesystem/artifact-store.ts";
import { createIncomingFile } from "../../../engines/filesystem/incoming-file.ts";
import type { CreateIncomingFile } from "../../../engines/filesystem/incoming-file.ts";
import { artifactStoreContract } from "../../../ports/contract/artifact-store.ts";
import type { ArtifactStoreUnderTest } from "../../../ports/contract/artifact-store.ts";
import { rejectsWith } from "../../../ports/contract/helpers.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { countingRandom } from "./counting-random.ts";

const { signal } = new AbortController();

async function openArtifacts(): Promise<ArtifactStoreUnderTest> {
  const folder = await tempDir("artifacts");
  const random = countingRandom();
  let artifacts = await openFilesystemArtifactStore({ path: folder.path, random, signal });
  return {
    get artifacts() {
      return artifacts;
    },
    reopen: async () => {
      artifacts = await openFilesystemArtifactStore({ path: folder.path, random, signal });
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

artifactStoreContract({ name: "file system", open: openArtifacts });

const BYTES = Buffer.alloc(300_000, "x");
const FACTS = {
  sha256: createHash("sha256").update(BYTES).digest("hex"),
  lengthBytes: BYTES.byteLength,
};

async function* source(): AsyncGenerator<Uint8Array> {
  yield BYTES.subarray(0, 100_000);
  yield BYTES.subarray(100_000);
}

/** Files that fail at one step with an error number. */
function failing(step: "create" | "write" | "sync", code: string): CreateIncomingFile {
  const fail = (): Promise<never> => Promise.reject(Object.assign(new Error(code), { code }));
  return async (path) => {
    if (step === "create") return fail();
    return { ...(await createIncomingFile(path)), [step]: fail };
  };
}

describe("artifact store in the file system", () => {
  test("a full disk is no_space at every step and keeps nothing", async () => {
    for (const step of ["create", "write", "sync"] as const) {
      await using folder = await tempDir("artifacts");
      const options = { path: folder.path, random: countingRandom(), signal };
      const full = await openFilesystemArtifactStore({
        ...options,
        createFile: failing(step, "ENOSPC"),
      });
      await rejectsWith(full.put(FACTS, source(), { signal }), "no_space");
      assert.equal(await full.stat(FACTS.sha256, { signal }), null);
      assert.deepEqual(await readdir(folder.join("incoming")), []);
      const freed = await openFilesystemArtifactStore(options);
      await freed.put(FACTS, source(), { signal });
      assert.deepEqual(await freed.stat(FACTS.sha256, { signal }), FACTS);
    }
  });

  test("what a dead process left half-written is removed when the store is opened", async () => {
    await using folder = await tempDir("artifacts");
    const options = { path: folder.path, random: countingRandom(), signal };
    await openFilesystemArtifactStore(options);
    const left = await createIncomingFile(folder.join("incoming", "left-over"));
    await left.write(BYTES);
    await left.close();
    await openFilesystemArtifactStore(options);
    assert.deepEqual(await readdir(folder.join("incoming")), []);
  });

  test("a blob lies under its digest, in a folder of the first two characters", async () => {
    await using folder = await tempDir("artifacts");
    const random = countingRandom();
    const artifacts = await openFilesystemArtifactStore({ path: folder.path, random, signal });
    await artifacts.put(FACTS, source(), { signal });
    const names = await readdir(folder.join("blobs", FACTS.sha256.slice(0, 2)));
    assert.deepEqual(names, [FACTS.sha256]);
  });

  test("a blob that is cut short while it is read is corrupt", async () => {
    await using folder = await tempDir("artifacts");
    const random = countingRandom();
    const artifacts = await openFilesystemArtifactStore({ path: folder.path, random, signal });
    await artifacts.put(FACTS, source(), { signal });
    const path = folder.join("blobs", FACTS.sha256.slice(0, 2), FACTS.sha256);
    const read = async (): Promise<void> => {
      for await (const _ of artifacts.read(FACTS.sha256, { signal })) await truncate(path, 10);
    };
    await rejectsWith(read(), "corrupt");
  });

  test("a folder that cannot be made says where and what to do", async () => {
    await using folder = await tempDir("artifacts");
    const file = await createIncomingFile(folder.join("taken"));
    await file.close();
    const path = folder.join("taken", "artifacts");
    const opening = openFilesystemArtifactStore({ path, random: countingRandom(), signal });
    await rejectsWith(opening, "failed_precondition");
  });
});
