// SPDX-License-Identifier: Apache-2.0
/**
 * The contract of the Store port as tests. Every engine runs it; each sentence of `ports/store.ts`
 * has a test here, or in `store-audit.ts`, `store-usage.ts` or `store-failures.ts`, which are
 * called from here.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Clock } from "../clock.ts";
import type { Commit, Json } from "../store.ts";
import { NEVER as signal, rejectsWith, TickingClock } from "./helpers.ts";
import { auditTests } from "./store-audit.ts";
import { failureTests } from "./store-failures.ts";
import { usageTests } from "./store-usage.ts";
import { accept, CONTRACT_START_MS, note, register, setting } from "./store-harness.ts";
import type { OpenStore, StoreUnderTest } from "./store-harness.ts";

export interface StoreContractOptions {
  /** The engine, as it shall stand in the test's name. */
  readonly name: string;
  /** A new, empty store. */
  readonly open: (options: { clock: Clock }) => Promise<StoreUnderTest>;
  /** Why it cannot run here (a server is missing): shown loudly. */
  readonly skip?: string;
}

/** Declares the suite. */
export function storeContract(options: StoreContractOptions): void {
  const open = (): Promise<StoreUnderTest> =>
    options.open({ clock: new TickingClock(CONTRACT_START_MS) });
  const skip = options.skip ?? false;
  describe(`store contract: ${options.name}`, { skip }, () => {
    describe("documents", () => documentTests(open));
    describe("devices", () => deviceTests(open));
    describe("pages", () => pageTests(open));
    describe("room", () => usageTests(open));
    describe("commits and fences", () => commitTests(open));
    describe("audit log", () => auditTests(open));
    describe("failures", () => failureTests(open));
  });
}

function documentTests(open: OpenStore): void {
  const values: Json[] = [0.5, "x\0y “z” \u{1f680}", [], {}, false, { a: [1, { b: null }] }];

  test("a document reads back as it was written, at revision 1", async () => {
    await using engine = await open();
    for (const [index, value] of values.entries()) {
      const key = `default/k${index}`;
      await accept(engine.store, setting(key, value));
      const stored = await engine.store.getDocument("setting", key, { signal });
      assert.deepEqual(stored, { kind: "setting", key, revision: 1, value });
    }
  });

  test("a document that does not exist is null, also under another kind's key", async () => {
    await using engine = await open();
    await accept(engine.store, setting("default/a", 1));
    assert.equal(await engine.store.getDocument("setting", "default/b", { signal }), null);
    assert.equal(await engine.store.getDocument("rollout", "default/a", { signal }), null);
  });

  test("each write raises the revision by one", async () => {
    await using engine = await open();
    for (let revision = 0; revision < 4; revision += 1) {
      await accept(engine.store, setting("default/a", revision, revision));
    }
    const stored = await engine.store.getDocument("setting", "default/a", { signal });
    assert.deepEqual([stored?.revision, stored?.value], [4, 3]);
  });

  test("a write decided on another revision is a conflict that names it", async () => {
    await using engine = await open();
    await accept(engine.store, setting("default/a", "old"));
    await accept(engine.store, setting("default/a", "new", 1));
    const at = "document setting/default/a";
    for (const expected of [0, 1, 3]) {
      const result = await engine.store.commit(setting("default/a", "late", expected), { signal });
      assert.deepEqual(result, { ok: false, reason: "conflict", at });
    }
    const absent = await engine.store.commit(setting("default/b", "late", 1), { signal });
    assert.equal(absent.ok, false);
    const stored = await engine.store.getDocument("setting", "default/a", { signal });
    assert.deepEqual([stored?.revision, stored?.value], [2, "new"]);
  });

  test("null deletes when the revision matches, and the key is free again", async () => {
    await using engine = await open();
    await accept(engine.store, setting("default/a", 1));
    const early = await engine.store.commit(setting("default/a", null, 2), { signal });
    assert.equal(early.ok, false);
    await accept(engine.store, setting("default/a", null, 1));
    assert.equal(await engine.store.getDocument("setting", "default/a", { signal }), null);
    const again = await engine.store.commit(setting("default/a", null, 1), { signal });
    assert.equal(again.ok, false);
    await accept(engine.store, setting("default/a", 2));
  });

  test("a list holds the keys with the prefix, in order, page by page", async () => {
    await using engine = await open();
    const keys = ["a/1", "a/10", "a/2", "a/\u{e000}", "a/\u{1f680}", "ab/1", "b/1"];
    for (const key of keys.toReversed()) await accept(engine.store, setting(key, key));
    await accept(engine.store, { documents: [{ ...rollout("a/3"), value: 1 }] });
    const list = async (prefix: string, limit: number, after?: string): Promise<string[]> => {
      const page = after === undefined ? { prefix, limit } : { prefix, limit, after };
      const found = await engine.store.listDocuments("setting", { ...page, signal });
      return found.map((document) => document.key);
    };
    assert.deepEqual(await list("a/", 1_000), keys.slice(0, 5));
    assert.deepEqual(await list("", 1_000), keys);
    assert.deepEqual(await list("a/", 2), ["a/1", "a/10"]);
    assert.deepEqual(await list("a/", 2, "a/10"), ["a/2", "a/\u{e000}"]);
    assert.deepEqual(await list("a/", 9, "a/\u{1f680}"), []);
    assert.deepEqual(await list("b", 9, "a/2"), ["b/1"]);
    assert.deepEqual(await list("c/", 9), []);
  });
}

function rollout(key: string): { kind: "rollout"; key: string; expectedRevision: 0 } {
  return { kind: "rollout", key, expectedRevision: 0 };
}

function deviceTests(open: OpenStore): void {
  test("ordinals count from 1 in order of registration, over all tenants", async () => {
    await using engine = await open();
    const first = await accept(engine.store, register("default", "x", "a"));
    const second = await accept(engine.store, register("acme", "x"));
    assert.deepEqual([first.ordinals, second.ordinals], [[1, 2], [3]]);
    const byName = await engine.store.getDevice("acme", "x", { signal });
    assert.deepEqual(byName, {
      ordinal: 3,
      tenant: "acme",
      id: "x",
      revision: 1,
      value: { id: "x" },
    });
    assert.deepEqual(await engine.store.getDeviceByOrdinal(3, { signal }), byName);
    const names = ["nobody", "x"].map((id) => ({ tenant: "acme", id }));
    assert.deepEqual(await engine.store.getDevices(names, { signal }), [null, byName]);
    const ordinals = [3, 99, 3];
    const byOrdinals = await engine.store.getDevicesByOrdinal(ordinals, { signal });
    assert.deepEqual(byOrdinals, [byName, null, byName]);
  });

  test("a device that does not exist is null", async () => {
    await using engine = await open();
    await accept(engine.store, register("default", "x"));
    assert.equal(await engine.store.getDevice("acme", "x", { signal }), null);
    assert.equal(await engine.store.getDeviceByOrdinal(2, { signal }), null);
    assert.equal(await engine.store.getDeviceByOrdinal(0, { signal }), null);
  });

  test("registering a name twice is a conflict and leaves the first as it was", async () => {
    await using engine = await open();
    await accept(engine.store, register("default", "x"));
    const result = await engine.store.commit(register("default", "y", "x"), { signal });
    assert.deepEqual(result, { ok: false, reason: "conflict", at: "device default/x" });
    assert.equal(await engine.store.getDevice("default", "y", { signal }), null);
    const { ordinals } = await accept(engine.store, register("default", "z"));
    assert((ordinals[0] ?? 0) > 1, "an ordinal was given twice");
  });

  test("an update names ordinal and revision, and raises the revision by one", async () => {
    await using engine = await open();
    await accept(engine.store, register("default", "x"));
    const write = { ordinal: 1, tenant: "default", id: "x", expectedRevision: 1, value: "new" };
    assert.deepEqual((await accept(engine.store, { devices: [write] })).ordinals, [1]);
    const stale = await engine.store.commit({ devices: [write] }, { signal });
    assert.deepEqual(stale, { ok: false, reason: "conflict", at: "device default/x" });
    const wrongName = { ...write, id: "y", expectedRevision: 2 };
    assert.equal((await engine.store.commit({ devices: [wrongName] }, { signal })).ok, false);
    const stored = await engine.store.getDeviceByOrdinal(1, { signal });
    assert.deepEqual([stored?.revision, stored?.value], [2, "new"]);
  });

  test("lists are in ordinal order, of one tenant or of all, page by page", async () => {
    await using engine = await open();
    await accept(engine.store, register("default", "c", "a"));
    await accept(engine.store, register("acme", "b"));
    await accept(engine.store, register("default", "d"));
    const list = async (tenant: string | null, after: number, limit: number): Promise<number[]> => {
      const page = { tenant, afterOrdinal: after, limit, signal };
      return (await engine.store.listDevices(page)).map((device) => device.ordinal);
    };
    assert.deepEqual(await list(null, 0, 10_000), [1, 2, 3, 4]);
    assert.deepEqual(await list(null, 1, 2), [2, 3]);
    assert.deepEqual(await list("default", 1, 10_000), [2, 4]);
    assert.deepEqual(await list("acme", 0, 1), [3]);
    assert.deepEqual(await list("nobody", 0, 1), []);
  });
}

function pageTests(open: OpenStore): void {
  const id = { kind: "attempt", owner: "7", number: 0 } as const;

  test("pages read back; those that do not exist are left out", async () => {
    await using engine = await open();
    const pages = [0, 1, 2].map((number) => {
      return { ...id, number, expectedVersion: 0, bytes: Uint8Array.of(number, 255) };
    });
    await accept(engine.store, { pages });
    const ids = [{ ...id, number: 2 }, { ...id, number: 9 }, { ...id, owner: "8" }, id];
    const loaded = await engine.store.loadPages(ids, { signal });
    const seen = loaded.map((page) => [page.number, page.version, ...page.bytes]);
    assert.deepEqual(
      seen.toSorted((left, right) => (left[0] ?? 0) - (right[0] ?? 0)),
      [
        [0, 1, 0, 255],
        [2, 1, 2, 255],
      ],
    );
    for (const { bytes } of loaded) {
      assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype);
      assert.deepEqual([bytes.byteOffset, bytes.buffer.byteLength], [0, bytes.length]);
    }
    assert.deepEqual(await engine.store.loadPages([], { signal }), []);
  });

  test("a page is swapped on its version; on another it is a conflict that names it", async () => {
    await using engine = await open();
    for (const expectedVersion of [0, 1, 2]) {
      const bytes = Uint8Array.of(expectedVersion);
      await accept(engine.store, { pages: [{ ...id, expectedVersion, bytes }] });
    }
    for (const expectedVersion of [0, 2, 4]) {
      const page = { ...id, expectedVersion, bytes: new Uint8Array(1) };
      const result = await engine.store.commit({ pages: [page] }, { signal });
      assert.deepEqual(result, { ok: false, reason: "conflict", at: "page attempt/7/0" });
    }
    const [stored] = await engine.store.loadPages([id], { signal });
    assert.deepEqual([stored?.version, [...(stored?.bytes ?? [])]], [3, [2]]);
  });

  test("the caller keeps its bytes, and a view stores no more than it shows", async () => {
    await using engine = await open();
    const whole = Uint8Array.of(1, 2, 3, 4);
    const page = { ...id, expectedVersion: 0, bytes: whole.subarray(1, 3) };
    const committed = engine.store.commit({ pages: [page] }, { signal });
    whole.fill(9);
    assert((await committed).ok);
    assert.deepEqual([...whole], [9, 9, 9, 9]);
    const [stored] = await engine.store.loadPages([id], { signal });
    assert.deepEqual([...(stored?.bytes ?? [])], [2, 3]);
  });

  test("bytes in shared memory are the caller's again when the commit is settled", async () => {
    await using engine = await open();
    const whole = new Uint8Array(new SharedArrayBuffer(200_000)).fill(7);
    const page = { ...id, bytes: whole.subarray(3) };
    await accept(engine.store, { pages: [{ ...page, expectedVersion: 0 }] });
    whole[100_000] = 8;
    const [first] = await engine.store.loadPages([id], { signal });
    assert.equal(first?.bytes.length, 199_997);
    assert(first.bytes.every((byte) => byte === 7));
    await accept(engine.store, { pages: [{ ...page, expectedVersion: 1 }] });
    const [second] = await engine.store.loadPages([id], { signal });
    assert.deepEqual([second?.bytes[99_996], second?.bytes[99_997]], [7, 8]);
  });

  test("a page is deleted on its version, and may be written anew from version 1", async () => {
    await using engine = await open();
    const bytes = Uint8Array.of(1);
    const other = { ...id, number: 1 };
    const pages = [id, other].map((page) => ({ ...page, expectedVersion: 0, bytes }));
    await accept(engine.store, { pages });
    for (const expectedVersion of [0, 2]) {
      const page = { ...id, expectedVersion, bytes: null };
      const refused = await engine.store.commit({ pages: [page] }, { signal });
      assert.deepEqual(refused, { ok: false, reason: "conflict", at: "page attempt/7/0" });
    }
    await accept(engine.store, { pages: [{ ...id, expectedVersion: 1, bytes: null }] });
    const left = await engine.store.loadPages([id, other], { signal });
    assert.deepEqual(
      left.map(({ number, version }) => [number, version]),
      [[1, 1]],
    );
    const again = await engine.store.commit(
      { pages: [{ ...id, expectedVersion: 1, bytes: null }] },
      { signal },
    );
    assert.equal(again.ok, false, "what is gone is not deleted twice");
    await accept(engine.store, { pages: [{ ...id, expectedVersion: 0, bytes }] });
    const [anew] = await engine.store.loadPages([id], { signal });
    assert.equal(anew?.version, 1);
  });

  test("a page may be empty", async () => {
    await using engine = await open();
    const bytes = new Uint8Array(0);
    await accept(engine.store, { pages: [{ ...id, expectedVersion: 0, bytes }] });
    const [stored] = await engine.store.loadPages([id], { signal });
    assert.equal(stored?.bytes.byteLength, 0);
  });
}

function commitTests(open: OpenStore): void {
  test("of two commits decided on the same revision one wins", async () => {
    await using engine = await open();
    await accept(engine.store, setting("default/a", 0));
    const results = await Promise.all(
      [1, 2, 3].map((value) => engine.store.commit(setting("default/a", value, 1), { signal })),
    );
    assert.equal(results.filter((result) => result.ok).length, 1);
    const winner = results.findIndex((result) => result.ok);
    const stored = await engine.store.getDocument("setting", "default/a", { signal });
    assert.deepEqual([stored?.revision, stored?.value], [2, winner + 1]);
  });

  test("a commit of nothing succeeds", async () => {
    await using engine = await open();
    assert.deepEqual(await accept(engine.store, {}), { ok: true, ordinals: [], auditSequence: 0 });
  });

  test("a newer fence shuts the older out, of its own name only", async () => {
    await using engine = await open();
    const older = await engine.store.acquireFence("leader", { signal });
    await accept(engine.store, { fence: older, ...setting("default/a", 1) });
    const newer = await engine.store.acquireFence("leader", { signal });
    const other = await engine.store.acquireFence("other", { signal });
    assert(newer.token > older.token);
    // A stale fence is told before a conflict: its reader must not read again and repeat.
    const late = { fence: older, ...setting("default/a", 2) };
    const result = await engine.store.commit(late, { signal });
    assert.deepEqual(result, { ok: false, reason: "stale-fence", at: "fence leader" });
    await accept(engine.store, { fence: newer, ...setting("default/b", 1) });
    await accept(engine.store, { fence: other, ...setting("default/c", 1) });
  });

  test("a fence that nobody drew is refused", async () => {
    await using engine = await open();
    const forged = { fence: { name: "leader", token: 1 }, ...setting("default/a", 1) };
    assert.equal((await engine.store.commit(forged, { signal })).ok, false);
    const drawn = await engine.store.acquireFence("leader", { signal });
    const future = { ...forged, fence: { ...drawn, token: drawn.token + 1 } };
    assert.equal((await engine.store.commit(future, { signal })).ok, false);
  });

  test("limits: 2,000 writes and as many audit entries pass, one more does not", async () => {
    await using engine = await open();
    const ids = Array.from({ length: 1_000 }, (_, index) => `d${index}`);
    const documents = ids.map((key) => ({ ...rollout(key), value: 1 }));
    const audit = ids.flatMap((key) => [...(note(key).audit ?? []), ...(note(key).audit ?? [])]);
    const full: Commit = { ...register("default", ...ids), documents, audit };
    assert.equal((await accept(engine.store, full)).auditSequence, 2_000);
    const more = { ...full, documents: [...documents, { ...rollout("more"), value: 1 }] };
    await rejectsWith(engine.store.commit(more, { signal }), "too_large");
    const moreAudit = { audit: [...audit, ...(note("more").audit ?? [])] };
    await rejectsWith(engine.store.commit(moreAudit, { signal }), "too_large");
    assert.equal(await engine.store.getDocument("rollout", "more", { signal }), null);
  });

  test("limits: a document and a page of 1 MiB pass, one byte more does not", async () => {
    await using engine = await open();
    const mebibyte = 1 << 20;
    await accept(engine.store, setting("default/a", "é".repeat(mebibyte / 2 - 1)));
    await rejectsWith(
      engine.store.commit(setting("default/b", "x".repeat(mebibyte - 1)), { signal }),
      "too_large",
    );
    const page = { kind: "plan", owner: "1", number: 0, expectedVersion: 0 } as const;
    await accept(engine.store, { pages: [{ ...page, bytes: new Uint8Array(mebibyte) }] });
    const long = { ...page, number: 1, bytes: new Uint8Array(mebibyte + 1) };
    await rejectsWith(engine.store.commit({ pages: [long] }, { signal }), "too_large");
  });

  test("limits: lists and loads refuse to be asked for more than they may return", async () => {
    await using engine = await open();
    const { store } = engine;
    const page = { tenant: null, signal };
    const ids = Array.from({ length: 1_001 }, (_, number) => {
      return { kind: "plan", owner: "1", number } as const;
    });
    const asked = { prefix: "", limit: 1_001, signal };
    await rejectsWith(store.listDocuments("setting", asked), "too_large");
    await rejectsWith(store.listDevices({ ...page, afterOrdinal: 0, limit: 10_001 }), "too_large");
    await rejectsWith(store.listAudit({ ...page, afterSequence: 0, limit: 1_001 }), "too_large");
    await rejectsWith(store.loadPages(ids, { signal }), "too_large");
  });
}
