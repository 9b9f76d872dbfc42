// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { BELIEVED_AFTER_MS, settledWallMs, settleTime, startSettledTime } from "./settled-time.ts";

/** Reads a wall clock that is `offsetMs(t)` ahead of the monotonic one, once a second. */
function believedAfter(seconds: number, offsetMs: (atMs: number) => number): number {
  let settled = startSettledTime({ wallMs: offsetMs(0), monotonicMs: 0 });
  for (let atMs = 1_000; atMs <= seconds * 1_000; atMs += 1_000) {
    settled = settleTime(settled, { wallMs: atMs + offsetMs(atMs), monotonicMs: atMs });
  }
  return settledWallMs(settled, seconds * 1_000);
}

describe("settled wall time", () => {
  const jumps = [-86_400_000, 86_400_000, 31_536_000_000];

  for (const jumpMs of jumps) {
    test(`a jump of ${jumpMs} ms is believed after a minute, not before`, () => {
      const jump = (atMs: number): number => (atMs >= 10_000 ? jumpMs : 0);
      const minute = BELIEVED_AFTER_MS / 1_000;
      assert.equal(believedAfter(10 + minute - 1, jump), (10 + minute - 1) * 1_000);
      assert.equal(believedAfter(10 + minute, jump), (10 + minute) * 1_000 + jumpMs);
    });
  }

  test("a jump that is taken back within the minute has no effect", () => {
    const jump = (atMs: number): number => (atMs >= 10_000 && atMs < 60_000 ? 86_400_000 : 0);
    for (const seconds of [30, 65, 200])
      assert.equal(believedAfter(seconds, jump), seconds * 1_000);
  });

  test("a clock that is slewed is followed at once", () => {
    assert.equal(
      believedAfter(100, (atMs) => atMs / 100),
      101_000,
    );
  });

  test("whatever a clock shows for less than a minute, time goes on as before", () => {
    const glitches = fc.array(fc.record({ fromS: fc.nat(400), jumpMs: fc.integer() }), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(glitches, (all) => {
        const offsetMs = (atMs: number): number => {
          // Each lasts 20 s in its own minute: no reading lasts, and none follows on another.
          const found = all.find(
            ({ fromS }) => Math.floor(fromS / 60) === Math.floor(atMs / 60_000) && atMs > 1_000,
          );
          return found !== undefined && atMs % 60_000 < 20_000 ? found.jumpMs : 0;
        };
        assert.equal(believedAfter(500, offsetMs), 500_000);
      }),
    );
  });
});
