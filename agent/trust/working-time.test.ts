// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WorkingTime } from "./working-time.ts";

const NOW_MS = Date.UTC(2026, 5, 1);

function timeOf(clock: { wallMs: number; monotonicMs: number }, floorMs = 0): WorkingTime {
  return new WorkingTime({
    clock: {
      wallMs: () => clock.wallMs,
      monotonicMs: () => clock.monotonicMs,
      setTimer: () => () => {},
    },
    floorMs,
  });
}

describe("working time", () => {
  it("is the later of clock and floor before a signed time is known", () => {
    assert.equal(timeOf({ wallMs: 0, monotonicMs: 0 }, NOW_MS).nowMs(), NOW_MS);
    assert.equal(timeOf({ wallMs: NOW_MS, monotonicMs: 0 }, 5).nowMs(), NOW_MS);
  });

  it("runs on the monotonic clock from a signed time, whatever the wall clock does", () => {
    const clock = { wallMs: NOW_MS * 2, monotonicMs: 100 };
    const time = timeOf(clock);
    assert.equal(time.isAnchored, false);
    time.anchor(NOW_MS);
    assert.equal(time.isAnchored, true);
    assert.equal(time.nowMs(), NOW_MS);
    clock.monotonicMs += 1_500;
    clock.wallMs = 0;
    assert.equal(time.nowMs(), NOW_MS + 1_500);
  });

  it("has a floor that only grows, and never by the device's own clock", () => {
    const clock = { wallMs: NOW_MS * 2, monotonicMs: 0 };
    const time = timeOf(clock);
    time.nowMs();
    assert.equal(time.floorMs, 0);
    time.raiseFloor(NOW_MS);
    time.raiseFloor(5);
    assert.equal(time.floorMs, NOW_MS);
    time.anchor(NOW_MS - 10);
    assert.equal(time.floorMs, NOW_MS);
    assert.equal(time.nowMs(), NOW_MS - 10, "a signed time outranks the floor");
  });
});
