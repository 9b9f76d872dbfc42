// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ITEMS_AT_ONCE, mapInTurns } from "./map-in-turns.ts";

describe("work on many items", () => {
  it("is done a bounded number of items at once, with results in their order", async () => {
    let running = 0;
    let most = 0;
    const items = Array.from({ length: ITEMS_AT_ONCE * 3 }, (_, index) => index);
    const results = await mapInTurns(items, async (item) => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      running--;
      return item * 2;
    });
    assert.equal(most, ITEMS_AT_ONCE);
    assert.deepEqual(
      results,
      items.map((item) => item * 2),
    );
  });

  it("begins nothing more after a failure, and throws it", async () => {
    const begun: number[] = [];
    const items = Array.from({ length: ITEMS_AT_ONCE * 2 }, (_, index) => index);
    const work = mapInTurns(items, async (item) => {
      begun.push(item);
      await Promise.resolve();
      if (item === 3) throw new Error("the fourth item is bad");
    });
    await assert.rejects(work, /the fourth item is bad/);
    assert.ok(begun.length < items.length, `${begun.length} were begun`);
  });
});
