// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { isMusterError } from "./errors.ts";
import { checkRate, parseRate } from "./bandwidth.ts";

test("a rate is a number with a unit, in bytes a second", () => {
  assert.equal(parseRate("16KiB/s", ""), 16_384);
  assert.equal(parseRate("1.5MiB/s", ""), 1_572_864);
  assert.equal(parseRate(" 1GiB/s ", ""), 2 ** 30);
});

test("what is no rate, or too slow for a connection to live, is said to be", () => {
  for (const text of ["10", "10MB/s", "10MiB", "-1MiB/s", "1e3KiB/s", ""]) {
    assert.throws(
      () => parseRate(text, "spec.bandwidth.site"),
      (error) =>
        isMusterError(error) &&
        error.code === "invalid_argument" &&
        error.detail.field === "spec.bandwidth.site" &&
        error.message.endsWith("is not a rate like 10MiB/s"),
      text,
    );
  }
  assert.throws(() => parseRate("8KiB/s", ""), /^MusterError: is not between 16KiB\/s and 1TiB\/s/);
  assert.throws(() => checkRate(2 ** 41, "spec.bandwidth.gateway"), /is not between/);
  assert.equal(checkRate(0, ""), 0);
});
