// SPDX-License-Identifier: Apache-2.0
/** The part of the Store's contract about the room that it takes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoreStretch } from "../store.ts";
import { NEVER as signal } from "./helpers.ts";
import { accept, setting, type OpenStore } from "./store-harness.ts";

const id = { kind: "attempt", owner: "7", number: 0 } as const;

export function usageTests(open: OpenStore): void {
  test("what takes room is told by part and owner, a stretch at a time", async () => {
    await using engine = await open();
    const bytes = new Uint8Array(1_000);
    const pages = [id, { ...id, number: 1 }].map((page) => ({
      ...page,
      expectedVersion: 0,
      bytes,
    }));
    await accept(engine.store, { pages, ...setting("default/a", "x".repeat(500)) });
    for (let batch = 0; batch < 3; batch++) {
      const documents = Array.from({ length: 1_000 }, (_, index) => ({
        kind: "attempt-detail" as const,
        key: `${batch}/${index}`,
        expectedRevision: 0,
        value: "said",
      }));
      await accept(engine.store, { documents });
    }
    const rows: { [name: string]: number } = {};
    let pageBytes = 0;
    let stretchCount = 0;
    for (let from: string | null = ""; from !== null; stretchCount++) {
      const stretch: StoreStretch = await engine.store.measure(from, { signal });
      for (const { part, owner, rowCount, contentBytes } of stretch.parts) {
        rows[`${part} of ${owner}`] = (rows[`${part} of ${owner}`] ?? 0) + rowCount;
        if (part === `page ${id.kind}`) pageBytes += contentBytes;
      }
      from = stretch.next;
    }
    assert.deepEqual(rows, {
      "document setting of default": 1,
      "document attempt-detail of 0": 1_000,
      "document attempt-detail of 1": 1_000,
      "document attempt-detail of 2": 1_000,
      [`page ${id.kind} of ${id.owner}`]: 2,
    });
    assert.equal(pageBytes, 2_000);
    assert(stretchCount > 1, "some thousand rows are not read in one go");
  });

  test("what is deleted is room that is used again before the files grow", async () => {
    await using engine = await open();
    const bytes = new Uint8Array(500_000);
    await accept(engine.store, { pages: [{ ...id, expectedVersion: 0, bytes }] });
    const before = await engine.store.space({ signal });
    assert(before.fileBytes > bytes.length, "the files hold the page");
    await accept(engine.store, { pages: [{ ...id, expectedVersion: 1, bytes: null }] });
    const after = await engine.store.space({ signal });
    // A server may not tell; then it is never told.
    assert.equal(after.reusableBytes === null, before.reusableBytes === null);
    const freedBytes = (after.reusableBytes ?? bytes.length) - (before.reusableBytes ?? 0);
    assert(freedBytes > bytes.length * 0.9, "it is free inside");
    assert.equal(after.limitBytes, null);
  });
}
