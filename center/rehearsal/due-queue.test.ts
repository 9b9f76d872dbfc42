// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { DueQueue } from "./due-queue.ts";

describe("a due queue", () => {
  test("gives back by time, and what is due at one time in the order it came", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 3_000 }), (times) => {
        const queue = new DueQueue();
        times.forEach((atMs, value) => queue.push(atMs, value));
        const expected = times
          .map((atMs, value) => ({ atMs, value }))
          .sort((a, b) => a.atMs - b.atMs || a.value - b.value);
        for (const { atMs, value } of expected) {
          assert.equal(queue.nextAtMs, atMs);
          assert.equal(queue.pop(), value);
        }
        assert.equal(queue.nextAtMs, Infinity);
      }),
    );
  });
});
