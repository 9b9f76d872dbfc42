// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { delay as waitOn } from "../../ports/clock.ts";
import { VirtualClock } from "./virtual-clock.ts";

describe("virtual clock", () => {
  test("timers run in order of due time, then of setting, at their due time", () => {
    const clock = new VirtualClock({ wallMs: 1_000 });
    const ran: [string, number, number][] = [];
    const note = (name: string) => () => ran.push([name, clock.monotonicMs(), clock.wallMs()]);
    clock.setTimer(20, note("c"));
    clock.setTimer(10, note("a"));
    clock.setTimer(10, note("b"));
    clock.setTimer(31, note("never"));
    clock.advance(30);
    const expected = [
      ["a", 10, 1_010],
      ["b", 10, 1_010],
      ["c", 20, 1_020],
    ];
    assert.deepEqual(ran, expected);
    assert.deepEqual([clock.monotonicMs(), clock.timerCount], [30, 1]);
  });

  test("timers that timers set run within the same span", () => {
    const clock = new VirtualClock();
    let tickCount = 0;
    const tick = (): void => {
      tickCount += 1;
      clock.setTimer(10, tick);
    };
    clock.setTimer(10, tick);
    clock.advance(55);
    assert.equal(tickCount, 5);
  });

  test("a cancelled timer does not run, also when cancelled by another one due then", () => {
    const clock = new VirtualClock();
    const cancel = clock.setTimer(10, () => assert.fail("it was cancelled"));
    clock.setTimer(5, cancel);
    clock.advance(20);
    cancel();
  });

  test("the wall clock jumps alone", () => {
    const clock = new VirtualClock({ wallMs: 5_000 });
    clock.jumpWall(-4_000);
    assert.deepEqual([clock.monotonicMs(), clock.wallMs()], [0, 1_000]);
  });

  test("a delay ends with its time, or with its signal", async () => {
    const clock = new VirtualClock();
    const controller = new AbortController();
    const ended = waitOn(clock, 100, controller.signal);
    const aborted = assert.rejects(waitOn(clock, 200, controller.signal), /enough/);
    clock.advance(100);
    await ended;
    controller.abort(new Error("enough"));
    await aborted;
    assert.equal(clock.timerCount, 0);
  });
});
