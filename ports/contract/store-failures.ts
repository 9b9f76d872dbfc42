// SPDX-License-Identifier: Apache-2.0
/** What the Store promises when things go wrong: part of the Store contract (`store.ts`). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FIRST_PREVIOUS_HASH, verifyAudit } from "../audit-chain.ts";
import type { Commit, Store } from "../store.ts";
import { NEVER as signal, rejectsWith } from "./helpers.ts";
import { accept, note, register, setting } from "./store-harness.ts";
import type { OpenStore } from "./store-harness.ts";

/** One of each kind of write, all of which belong together. */
function group(number: number): Commit {
  const key = `default/${number}`;
  const page = { kind: "plan", owner: key, number, expectedVersion: 0 } as const;
  return {
    ...setting(key, number),
    ...register("default", `d${number}`),
    pages: [{ ...page, bytes: new Uint8Array(5_000).fill(number) }],
    ...note(key),
  };
}

/** How many of a group's four writes are there: 4 or 0, or the commit was torn. */
async function groupParts(store: Store, number: number): Promise<number> {
  const key = `default/${number}`;
  const document = await store.getDocument("setting", key, { signal });
  const device = await store.getDevice("default", `d${number}`, { signal });
  const pages = await store.loadPages([{ kind: "plan", owner: key, number }], { signal });
  const all = { tenant: null, afterSequence: 0, limit: 1_000, signal };
  const { entries } = await store.listAudit(all);
  const noted = entries.filter((entry) => entry.subject === key);
  return Number(document !== null) + Number(device !== null) + pages.length + noted.length;
}

async function assertChain(store: Store): Promise<void> {
  const all = { tenant: null, afterSequence: 0, limit: 1_000, signal };
  const { entries } = await store.listAudit(all);
  assert.equal(verifyAudit(entries, FIRST_PREVIOUS_HASH).ok, true);
  assert.equal(entries.at(-1)?.sequence ?? 0, entries.length);
}

/** Declares the tests. */
export function failureTests(open: OpenStore): void {
  test("a commit of which one write does not match leaves nothing of the others", async () => {
    await using engine = await open();
    const { store } = engine;
    await accept(store, group(0));
    const parts = { first: group(1), taken: group(0) };
    const halves: [Commit, string][] = [
      [{ ...parts.first, documents: parts.taken.documents ?? [] }, "document setting/default/0"],
      [{ ...parts.first, devices: parts.taken.devices ?? [] }, "device default/d0"],
      [{ ...parts.first, pages: parts.taken.pages ?? [] }, "page plan/default/0/0"],
    ];
    for (const [half, at] of halves) {
      const result = await store.commit(half, { signal });
      assert.deepEqual(result, { ok: false, reason: "conflict", at });
      assert.equal(await groupParts(store, 1), 0);
    }
    assert.equal(await groupParts(store, 0), 4);
    await assertChain(store);
  });

  test("an aborted signal rejects with its reason and changes nothing", async () => {
    await using engine = await open();
    const reason = new Error("gave up");
    const aborted = AbortSignal.abort(reason);
    const commit = engine.store.commit(group(1), { signal: aborted });
    await assert.rejects(commit, (error) => error === reason);
    const read = engine.store.getDocument("setting", "default/1", { signal: aborted });
    await assert.rejects(read, (error) => error === reason);
    assert.equal(await groupParts(engine.store, 1), 0);
  });

  test("a signal that aborts later leaves a finished commit alone", async () => {
    await using engine = await open();
    const controller = new AbortController();
    await engine.store.commit(group(1), { signal: controller.signal });
    controller.abort();
    assert.equal(await groupParts(engine.store, 1), 4);
  });

  test("everything is there after closing and opening, and counters go on", async () => {
    await using engine = await open();
    await accept(engine.store, group(1));
    const older = await engine.store.acquireFence("leader", { signal });
    await engine.reopen();
    assert.equal(await groupParts(engine.store, 1), 4);
    const newer = await engine.store.acquireFence("leader", { signal });
    assert(newer.token > older.token);
    const next = await accept(engine.store, group(2));
    assert.deepEqual(next, { ok: true, ordinals: [2], auditSequence: 2 });
    await assertChain(engine.store);
  });

  test("lost in the midst of commits, each is there whole or not at all", async () => {
    await using engine = await open();
    const { store } = engine;
    const acknowledged = new Set<number>();
    const groups = Array.from({ length: 40 }, async (_, number) => {
      const result = await store.commit(group(number), { signal });
      if (result.ok) acknowledged.add(number);
    });
    const settled = Promise.allSettled(groups);
    await Promise.all(groups.slice(0, 6));
    await engine.crash();
    await settled;
    assert(acknowledged.size > 5);
    for (let number = 0; number < groups.length; number += 1) {
      const parts = await groupParts(engine.store, number);
      assert(parts === 0 || parts === 4, `commit ${number} is torn: ${parts} of 4 parts`);
      assert(parts === 4 || !acknowledged.has(number), `acknowledged commit ${number} is lost`);
    }
    await assertChain(engine.store);
    await accept(engine.store, group(99));
  });

  test("closing finishes what was begun and refuses the rest", async () => {
    await using engine = await open();
    const { store } = engine;
    const begun = store.commit(group(1), { signal });
    await Promise.all([store.close(), store.close()]);
    assert((await begun).ok);
    await rejectsWith(store.commit(group(2), { signal }), "unavailable");
    await rejectsWith(store.getDocument("setting", "default/1", { signal }), "unavailable");
    await engine.reopen();
    assert.equal(await groupParts(engine.store, 1), 4);
    assert.equal(await groupParts(engine.store, 2), 0);
  });
}
