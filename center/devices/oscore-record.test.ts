// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MAX_RANGE, nextRange } from "./oscore-record.ts";

const START_MS = Date.parse("2026-01-01T00:00:00Z");
const MINUTE_MS = 60_000;

describe("a range of numbers", () => {
  test("is never one that was given, whatever the clock does", () => {
    assert.equal(nextRange(0, START_MS), 1);
    assert.equal(nextRange(1, START_MS), 2);
    assert.equal(nextRange(2, START_MS - 1_000 * MINUTE_MS), 3, "the clock has gone back");
    assert.equal(nextRange(3, START_MS + 1_000 * MINUTE_MS), 1_000);
  });

  test("is later than all that were given before a Store was put back", () => {
    const atMs = START_MS + 500 * MINUTE_MS;
    const given = [nextRange(7, atMs - 60 * MINUTE_MS), nextRange(440, atMs - 59 * MINUTE_MS)];
    const afterRestore = nextRange(7, atMs);
    assert.ok(
      given.every((range) => range !== null && afterRestore !== null && range < afterRestore),
    );
  });

  test("ends with the last that a sequence number can hold", () => {
    assert.equal(nextRange(MAX_RANGE - 1, START_MS), MAX_RANGE);
    assert.equal(nextRange(MAX_RANGE, START_MS), null);
  });
});
