// SPDX-License-Identifier: Apache-2.0
/** The audit log's part of the Store contract (`store.ts`). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FIRST_PREVIOUS_HASH, verifyAudit } from "../audit-chain.ts";
import type { AuditQuery } from "../store.ts";
import { NEVER as signal } from "./helpers.ts";
import { accept, CONTRACT_START_MS, note, setting } from "./store-harness.ts";
import type { OpenStore } from "./store-harness.ts";

/** Declares the tests. */
export function auditTests(open: OpenStore): void {
  test("entries are numbered without gaps, dated, and chained", async () => {
    await using engine = await open();
    const two = { audit: [...(note("a").audit ?? []), ...(note("b").audit ?? [])] };
    assert.equal((await accept(engine.store, two)).auditSequence, 2);
    const detail = { percent: 0.5, list: [1, "x"], ["__proto__"]: 1 };
    await accept(engine.store, { ...note("c", "acme", detail), ...setting("default/a", 1) });
    assert.equal((await accept(engine.store, setting("default/b", 1))).auditSequence, 3);
    const all = { tenant: null, afterSequence: 0, limit: 1_000, signal };
    const { entries } = await engine.store.listAudit(all);
    assert.deepEqual(
      entries.map((entry) => [entry.sequence, entry.subject, entry.tenant]),
      [
        [1, "a", "default"],
        [2, "b", "default"],
        [3, "c", "acme"],
      ],
    );
    assert.deepEqual(entries[2]?.detail, detail);
    assert(entries.every((entry) => entry.atMs >= CONTRACT_START_MS));
    assert.deepEqual(verifyAudit(entries, FIRST_PREVIOUS_HASH), {
      ok: true,
      sequence: 3,
      hash: entries[2]?.hash,
    });
  });

  test("a list is of one tenant or of all, page by page", async () => {
    await using engine = await open();
    for (const subject of ["a", "b", "c"]) await accept(engine.store, note(subject));
    await accept(engine.store, note("d", "acme"));
    const list = async (tenant: string | null, after: number, limit: number): Promise<string[]> => {
      const page = { tenant, afterSequence: after, limit, signal };
      return (await engine.store.listAudit(page)).entries.map((entry) => entry.subject);
    };
    assert.deepEqual(await list(null, 1, 2), ["b", "c"]);
    assert.deepEqual(await list("default", 1, 1_000), ["b", "c"]);
    assert.deepEqual(await list("acme", 0, 1), ["d"]);
    assert.deepEqual(await list(null, 4, 1), []);
  });

  test("a list is of what its subject, actor and time say, in either order", async () => {
    await using engine = await open();
    const { store } = engine;
    const written = [
      ["rollout/default/app-2", "operator:ann"],
      ["rollout/default/app-2-rollback", "system:engine"],
      ["release/default/app@2", "operator:ann"],
      ["device/default/a[1]:x", "device:a[1]:x"],
      ["rollout/default/app-2", "operator:bob"],
    ] as const;
    for (const [subject, actor] of written) {
      const { audit = [] } = note(subject);
      await accept(store, { audit: audit.map((draft) => ({ ...draft, actor })) });
    }
    const find = async (query: Partial<AuditQuery>): Promise<readonly number[]> => {
      const all = { tenant: null, afterSequence: 0, limit: 1_000, signal };
      const { entries, next } = await store.listAudit({ ...all, ...query });
      assert.equal(next, null);
      return entries.map((entry) => entry.sequence);
    };
    assert.deepEqual(await find({ newestFirst: true }), [5, 4, 3, 2, 1]);
    assert.deepEqual(await find({ subject: "app-2" }), [1, 5]);
    assert.deepEqual(await find({ subject: "default/app-2" }), [1, 5]);
    assert.deepEqual(await find({ subject: "rollout/default/app-2" }), [1, 5]);
    assert.deepEqual(await find({ subject: "app" }), [], "a part of a word is none");
    assert.deepEqual(await find({ subject: "app-2*" }), [1, 2, 5]);
    assert.deepEqual(await find({ subject: "app?2" }), [1, 3, 5]);
    assert.deepEqual(await find({ subject: "a[1]:x" }), [4], "brackets are characters");
    assert.deepEqual(await find({ actor: "ann", newestFirst: true }), [3, 1]);
    assert.deepEqual(await find({ actor: "operator:*" }), [1, 3, 5]);
    assert.deepEqual(await find({ actor: "ann", subject: "rollout/*" }), [1]);
    assert.deepEqual(await find({ afterSequence: 1, beforeSequence: 4 }), [2, 3]);
    assert.deepEqual(await find({ tenant: "acme" }), []);
    const [entry] = (await store.listAudit({ tenant: null, afterSequence: 2, limit: 1, signal }))
      .entries;
    const sinceMs = entry?.atMs ?? 0;
    const times = (await find({ sinceMs })).length;
    assert(times >= 3, "the time itself is within");
    assert.deepEqual(await find({ sinceMs: sinceMs + 86_400_000 }), []);
  });

  test("a list goes on where it stopped, and says when nothing is left", async () => {
    await using engine = await open();
    const drafts = Array.from({ length: 5 }, (_, index) => note(`s/${index % 2}`).audit ?? []);
    await accept(engine.store, { audit: drafts.flat() });
    for (const newestFirst of [true, false]) {
      const found: number[] = [];
      let bound: { afterSequence: number; beforeSequence?: number } = { afterSequence: 0 };
      for (let pages = 1; ; pages++) {
        const query = { tenant: "default", subject: "0", newestFirst, limit: 1, signal };
        const { entries, next } = await engine.store.listAudit({ ...query, ...bound });
        found.push(...entries.map((entry) => entry.sequence));
        if (next === null) {
          assert.equal(pages, 3, "no page is empty where each holds one");
          break;
        }
        bound = newestFirst ? { afterSequence: 0, beforeSequence: next } : { afterSequence: next };
      }
      assert.deepEqual(found, newestFirst ? [5, 3, 1] : [1, 3, 5]);
    }
  });

  test("a list looks at 20,000 entries a call, and then says where to go on", async () => {
    await using engine = await open();
    const { audit: [draft] = [] } = note("many");
    assert(draft !== undefined);
    const batch = Array.from({ length: 1_000 }, () => draft);
    for (let count = 0; count < 21; count++) await accept(engine.store, { audit: batch });
    await accept(engine.store, note("one"));
    const query = { tenant: null, afterSequence: 0, subject: "one", limit: 10, signal };
    const first = await engine.store.listAudit(query);
    assert.deepEqual(first, { entries: [], next: 20_000 });
    const second = await engine.store.listAudit({ ...query, afterSequence: 20_000 });
    assert.deepEqual([second.entries.length, second.next], [1, null]);
    const newest = await engine.store.listAudit({ ...query, subject: "none", newestFirst: true });
    assert.deepEqual(newest, { entries: [], next: 1_002 });
  });
}
