// SPDX-License-Identifier: Apache-2.0
/** The audit log's part of the Store contract (`store.ts`). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FIRST_PREVIOUS_HASH, verifyAudit } from "../audit-chain.ts";
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
    const entries = await engine.store.listAudit(all);
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
      return (await engine.store.listAudit(page)).map((entry) => entry.subject);
    };
    assert.deepEqual(await list(null, 1, 2), ["b", "c"]);
    assert.deepEqual(await list("default", 1, 1_000), ["b", "c"]);
    assert.deepEqual(await list("acme", 0, 1), ["d"]);
    assert.deepEqual(await list(null, 4, 1), []);
  });
}
