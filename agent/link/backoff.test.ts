// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Random } from "../../ports/random.ts";
import { Backoff } from "./backoff.ts";

const almostOne: Random = { next: () => 0.999_999, bytes: (length) => new Uint8Array(length) };
const zero: Random = { next: () => 0, bytes: (length) => new Uint8Array(length) };

function pauses(random: Random, count: number): number[] {
  const backoff = new Backoff({ random, ceilingMs: 60_000 });
  return Array.from({ length: count }, () => Math.round(backoff.fail().delayMs));
}

describe("back-off", () => {
  it("grows its caps 1, 2, 4, 8 seconds and stays at the ceiling for ever", () => {
    assert.deepEqual(pauses(almostOne, 7), [1_000, 2_000, 4_000, 8_000, 60_000, 60_000, 60_000]);
  });

  it("uses the whole range below the cap", () => {
    assert.deepEqual(pauses(zero, 5), [0, 0, 0, 0, 0]);
  });

  it("says once an outage that it is exhausted, after the fourth failure", () => {
    const backoff = new Backoff({ random: zero });
    const said = Array.from({ length: 8 }, () => backoff.fail().isExhausted);
    assert.deepEqual(said, [false, false, false, true, false, false, false, false]);
  });

  it("begins again after a reset", () => {
    const backoff = new Backoff({ random: almostOne });
    for (let count = 0; count < 6; count += 1) backoff.fail();
    backoff.reset();
    assert.equal(Math.round(backoff.fail().delayMs), 1_000);
    for (let count = 0; count < 2; count += 1) backoff.fail();
    assert.equal(backoff.fail().isExhausted, true);
  });

  it("never pauses longer than the ceiling, even where that is below the first caps", () => {
    const backoff = new Backoff({ random: almostOne, ceilingMs: 1_500 });
    const longest = Math.max(...Array.from({ length: 6 }, () => backoff.fail().delayMs));
    assert.ok(longest <= 1_500);
  });
});
