// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { openWindow, stepWindow, type AdaptiveWindow } from "./adaptive-window.ts";

const LIMITS = { first: 4, min: 1, max: 20 };

/** The sizes that a window has after each of these counts. */
function sizes(counts: readonly [succeeded: number, failures: number][], minSuccess = 75) {
  let window = openWindow(LIMITS);
  return counts.map(([succeeded, failures]) => {
    window = stepWindow(window, LIMITS, { succeeded, failures }, minSuccess);
    return window.size;
  });
}

describe("an adaptive window", () => {
  test("doubles with each good round, up to its most", () => {
    assert.deepEqual(
      sizes([
        [3, 0],
        [4, 0],
        [11, 0],
        [12, 0],
        [28, 0],
        [60, 0],
      ]),
      [4, 8, 8, 16, 20, 20],
    );
  });

  test("tolerates in a round what the gate tolerates in a wave", () => {
    assert.deepEqual(sizes([[3, 1]]), [8], "one of four is 75 % success");
    assert.deepEqual(sizes([[0, 2]]), [2], "two of four are not");
  });

  test("is halved as soon as its round is lost, and adds `first` a round from there", () => {
    assert.deepEqual(
      sizes([
        [4, 0],
        [5, 3],
        [9, 3],
        [17, 3],
        [29, 3],
      ]),
      [8, 4, 8, 12, 16],
    );
  });

  test("is never below its least, however many fail", () => {
    assert.deepEqual(
      sizes([
        [0, 2],
        [0, 3],
        [0, 9],
      ]),
      [2, 1, 1],
    );
  });

  test("stays within its bounds, whatever is decided", () => {
    const step = fc.tuple(fc.nat(30), fc.nat(30));
    fc.assert(
      fc.property(fc.array(step), fc.integer({ min: 0, max: 100 }), (steps, minSuccess) => {
        let window: AdaptiveWindow = openWindow(LIMITS);
        let [succeeded, failures] = [0, 0];
        for (const [more, worse] of steps) {
          succeeded += more;
          failures += worse;
          const before = window.size;
          window = stepWindow(window, LIMITS, { succeeded, failures }, minSuccess);
          assert(window.size >= LIMITS.min && window.size <= LIMITS.max);
          if (worse === 0 && window.size < before) assert.fail("success made it smaller");
        }
      }),
    );
  });
});
