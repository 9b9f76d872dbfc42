// SPDX-License-Identifier: Apache-2.0
/** The contract of the ArtifactStore port as tests: every engine runs it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { MAX_BLOB_BYTES } from "../artifact-store.ts";
import type { ArtifactStore, BlobFacts } from "../artifact-store.ts";
import { NEVER as signal, rejectsWith } from "./helpers.ts";

/** An engine in the hands of the suite. Disposing removes everything. */
export interface ArtifactStoreUnderTest extends AsyncDisposable {
  readonly artifacts: ArtifactStore;
  /** Opens the store again on the same data, as after a crash of the process. */
  reopen(): Promise<void>;
}

export interface ArtifactStoreContractOptions {
  /** The engine, as it shall stand in the test's name. */
  readonly name: string;
  /** A new, empty store. */
  readonly open: () => Promise<ArtifactStoreUnderTest>;
  /** Why it cannot run here (a server is missing): shown loudly. */
  readonly skip?: string;
}

type OpenArtifacts = () => Promise<ArtifactStoreUnderTest>;

/** Declares the suite. */
export function artifactStoreContract({ name, open, skip }: ArtifactStoreContractOptions): void {
  describe(`artifact store contract: ${name}`, { skip: skip ?? false }, () => {
    describe("blobs", () => blobTests(open));
    describe("failures", () => failureTests(open));
  });
}

/** 1,000,003 bytes: no round number of anything. */
const LARGE: Uint8Array = Uint8Array.from({ length: 1_000_003 }, (_, index) => (index * 7) % 251);
const SMALL: Uint8Array = new TextEncoder().encode("release");

function factsOf(bytes: Uint8Array): BlobFacts {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { sha256, lengthBytes: bytes.byteLength };
}

async function* chunks(bytes: Uint8Array, chunkBytes = 65_536): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += chunkBytes) {
    yield bytes.subarray(start, start + chunkBytes);
  }
}

async function put(artifacts: ArtifactStore, bytes: Uint8Array): Promise<BlobFacts> {
  const facts = factsOf(bytes);
  await artifacts.put(facts, chunks(bytes), { signal });
  return facts;
}

async function readAll(
  artifacts: ArtifactStore,
  sha256: string,
  range: { start?: number; end?: number } = {},
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of artifacts.read(sha256, { ...range, signal })) parts.push(part);
  return Buffer.concat(parts);
}

async function assertEmpty(artifacts: ArtifactStore, facts: BlobFacts): Promise<void> {
  assert.equal(await artifacts.stat(facts.sha256, { signal }), null);
  await rejectsWith(readAll(artifacts, facts.sha256), "not_found");
  assert.deepEqual(await artifacts.usage({ signal }), { blobCount: 0, totalBytes: 0 });
}

function blobTests(open: OpenArtifacts): void {
  test("a blob reads back as it was put, large, small and empty", async () => {
    await using engine = await open();
    for (const bytes of [LARGE, SMALL, new Uint8Array(0)]) {
      const facts = await put(engine.artifacts, bytes);
      assert.deepEqual(await engine.artifacts.stat(facts.sha256, { signal }), facts);
      assert(Buffer.from(bytes).equals(await readAll(engine.artifacts, facts.sha256)));
    }
    const totalBytes = LARGE.byteLength + SMALL.byteLength;
    assert.deepEqual(await engine.artifacts.usage({ signal }), { blobCount: 3, totalBytes });
  });

  test("a range holds the bytes from start up to end", async () => {
    await using engine = await open();
    const { sha256 } = await put(engine.artifacts, LARGE);
    const { byteLength } = LARGE;
    const ranges = [
      { start: 0, end: 1 },
      { start: 262_143, end: 262_145 },
      { start: 999_999 },
      { end: 5 },
      { start: 500_000, end: 500_000 },
      { start: byteLength, end: byteLength },
    ];
    for (const range of ranges) {
      const expected = Buffer.from(LARGE.subarray(range.start ?? 0, range.end ?? byteLength));
      assert(expected.equals(await readAll(engine.artifacts, sha256, range)));
    }
  });

  test("a range outside the blob is refused", async () => {
    await using engine = await open();
    const { sha256 } = await put(engine.artifacts, SMALL);
    for (const range of [{ start: -1 }, { end: 8 }, { start: 3, end: 2 }, { start: 0.5 }]) {
      await rejectsWith(readAll(engine.artifacts, sha256, range), "invalid_argument");
    }
  });

  test("the same bytes twice are one blob", async () => {
    await using engine = await open();
    const facts = await put(engine.artifacts, SMALL);
    await put(engine.artifacts, SMALL);
    const usage = { blobCount: 1, totalBytes: facts.lengthBytes };
    assert.deepEqual(await engine.artifacts.usage({ signal }), usage);
  });

  test("the same blob put several times at once is whole for everyone", async () => {
    await using engine = await open();
    await Promise.all([1, 2, 3].map(() => put(engine.artifacts, LARGE)));
    const read = await readAll(engine.artifacts, factsOf(LARGE).sha256);
    assert(Buffer.from(LARGE).equals(read));
  });

  test("a removed blob is gone, and removing it again does nothing", async () => {
    await using engine = await open();
    const facts = await put(engine.artifacts, SMALL);
    await engine.artifacts.remove(facts.sha256, { signal });
    await engine.artifacts.remove(facts.sha256, { signal });
    await assertEmpty(engine.artifacts, facts);
  });

  test("blobs are there after opening again", async () => {
    await using engine = await open();
    const { sha256 } = await put(engine.artifacts, SMALL);
    await engine.reopen();
    assert(Buffer.from(SMALL).equals(await readAll(engine.artifacts, sha256)));
  });
}

function failureTests(open: OpenArtifacts): void {
  test("other bytes, too few or too many are untrusted, and nothing is kept", async () => {
    await using engine = await open();
    const facts = factsOf(SMALL);
    const wrong = { ...facts, sha256: "0".repeat(64) };
    const long = Buffer.concat([SMALL, SMALL]);
    const puts: [BlobFacts, Uint8Array][] = [
      [wrong, SMALL],
      [facts, SMALL.subarray(1)],
      [facts, long],
      [{ ...facts, lengthBytes: 6 }, SMALL],
    ];
    for (const [announced, bytes] of puts) {
      const attempt = engine.artifacts.put(announced, chunks(bytes), { signal });
      await rejectsWith(attempt, "untrusted");
      await assertEmpty(engine.artifacts, announced);
    }
  });

  test("a source that is too long is not read to its end", async () => {
    await using engine = await open();
    let yielded = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        yielded += 1;
        yield SMALL;
      }
    }
    const facts = { ...factsOf(SMALL), lengthBytes: 20 };
    await rejectsWith(engine.artifacts.put(facts, endless(), { signal }), "untrusted");
    assert.equal(yielded, 3);
  });

  test("a source that fails passes its error on, and nothing is kept", async () => {
    await using engine = await open();
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield LARGE.subarray(0, 500_000);
      throw new Error("connection lost");
    }
    const attempt = engine.artifacts.put(factsOf(LARGE), failing(), { signal });
    await assert.rejects(attempt, /connection lost/);
    await assertEmpty(engine.artifacts, factsOf(LARGE));
  });

  test("a blob is not there before it is whole, and an interrupted one never", async () => {
    await using engine = await open();
    const reached = Promise.withResolvers<void>();
    const controller = new AbortController();
    async function* stalling(): AsyncGenerator<Uint8Array> {
      yield LARGE.subarray(0, 500_000);
      reached.resolve();
      await new Promise(() => {});
    }
    const { artifacts } = engine;
    const attempt = artifacts.put(factsOf(LARGE), stalling(), { signal: controller.signal });
    const failed = assert.rejects(attempt, /stopped/);
    await reached.promise;
    await assertEmpty(artifacts, factsOf(LARGE));
    await engine.reopen();
    await assertEmpty(engine.artifacts, factsOf(LARGE));
    controller.abort(new Error("stopped"));
    await failed;
    await assertEmpty(engine.artifacts, factsOf(LARGE));
    await put(engine.artifacts, LARGE);
  });

  test("an aborted signal rejects with its reason", async () => {
    await using engine = await open();
    const aborted = { signal: AbortSignal.abort(new Error("gave up")) };
    const facts = await put(engine.artifacts, SMALL);
    const { artifacts } = engine;
    await assert.rejects(artifacts.stat(facts.sha256, aborted), /gave up/);
    await assert.rejects(artifacts.put(facts, chunks(SMALL), aborted), /gave up/);
    await assert.rejects(artifacts.remove(facts.sha256, aborted), /gave up/);
    await assert.rejects(async () => {
      for await (const _ of artifacts.read(facts.sha256, aborted)) assert.fail("nothing is read");
    }, /gave up/);
    assert.equal((await artifacts.usage({ signal })).blobCount, 1);
  });

  test("limits: more than 16 GiB are refused before the first byte", async () => {
    await using engine = await open();
    const facts = { ...factsOf(SMALL), lengthBytes: MAX_BLOB_BYTES + 1 };
    const untouched: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => assert.fail("the source was read"),
    };
    await rejectsWith(engine.artifacts.put(facts, untouched, { signal }), "too_large");
  });

  test("what is no SHA-256 is refused, above all what could leave the folder", async () => {
    await using engine = await open();
    const { artifacts } = engine;
    const { sha256 } = factsOf(SMALL);
    for (const name of ["", "../../etc/passwd", sha256.toUpperCase(), `${sha256}0`]) {
      await rejectsWith(artifacts.stat(name, { signal }), "invalid_argument");
      await rejectsWith(readAll(artifacts, name), "invalid_argument");
      await rejectsWith(artifacts.remove(name, { signal }), "invalid_argument");
      const facts = { sha256: name, lengthBytes: SMALL.byteLength };
      await rejectsWith(artifacts.put(facts, chunks(SMALL), { signal }), "invalid_argument");
    }
  });
}
