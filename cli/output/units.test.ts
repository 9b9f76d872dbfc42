// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  countOf,
  formatAge,
  formatBytes,
  formatCount,
  formatElapsed,
  formatInstant,
} from "./units.ts";

describe("numbers for people", () => {
  test("bytes have the unit in which they are below a thousand", () => {
    const cases = [0, 1_023, 1_024, 1_536, 150 * 1_024, 5 * 2 ** 30].map(formatBytes);
    assert.deepEqual(cases, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "150 KiB", "5.0 GiB"]);
  });

  test("durations have their two largest units", () => {
    const cases = [0, 499, 1_000, 90_000, 3_600_000, 3_661_000, 90_000_000].map(formatElapsed);
    assert.deepEqual(cases, ["0s", "0s", "1s", "1m 30s", "1h", "1h 1m", "1d 1h"]);
  });

  test("an instant is UTC to the second, and never is a dash", () => {
    assert.equal(formatInstant(1_767_225_600_123n), "2026-01-01 00:00:00Z");
    assert.equal(formatInstant(0n), "-");
  });

  test("an age has one unit, is never negative, and never is a word", () => {
    const nowMs = 10_000_000;
    assert.deepEqual(
      [nowMs - 65_000, nowMs + 5_000, 0].map((atMs) => formatAge(atMs, nowMs)),
      ["1m", "0s", "never"],
    );
  });

  test("counts have separators and agree with their noun", () => {
    assert.equal(formatCount(1_234_567), "1,234,567");
    assert.deepEqual(
      [countOf(1, "device"), countOf(1_000, "device")],
      ["1 device", "1,000 devices"],
    );
  });
});
