// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  chanceToReach,
  fewestEvident,
  isEvidentWithin,
  thresholdWithin,
} from "./finite-horizon.ts";
import { SeededRandom } from "./seeded-random.ts";
import { createSequentialTest, type SequentialTest } from "./sequential-test.ts";

/** Every sequence of failures and others, one by one. */
function chanceByEnumeration(tested: SequentialTest, units: number, threshold: number): number {
  const go = (failures: number, accepted: number): number => {
    const isThere = accepted > 0 && tested.logEvidence(failures, accepted) >= threshold;
    if (isThere) return 1;
    if (accepted === units) return 0;
    return (
      tested.maxRate * go(failures + 1, accepted + 1) +
      (1 - tested.maxRate) * go(failures, accepted + 1)
    );
  };
  return go(0, 0);
}

const rate = fc.double({ min: 0.01, max: 0.6, noNaN: true });
const alarm = fc.double({ min: 0.001, max: 0.3, noNaN: true });

describe("the chance to get so far in a plan of N", () => {
  test("is that of every path, added up", () => {
    const threshold = fc.double({ min: 0.5, max: 6, noNaN: true });
    fc.assert(
      fc.property(rate, fc.integer({ min: 1, max: 13 }), threshold, (maxRate, units, limit) => {
        const tested = createSequentialTest({ maxRate, falseAlarmRate: 0.999 });
        const expected = chanceByEnumeration(tested, units, limit);
        assert(Math.abs(chanceToReach(tested, units, limit) - expected) < 1e-9);
      }),
      { seed: 1, numRuns: 60 },
    );
  });
});

describe("the threshold of a plan of N", () => {
  test("keeps the false-alarm rate, and is no higher than Ville's", () => {
    fc.assert(
      fc.property(
        rate,
        alarm,
        fc.integer({ min: 1, max: 400 }),
        (maxRate, falseAlarmRate, units) => {
          const tested = createSequentialTest({ maxRate, falseAlarmRate });
          const threshold = thresholdWithin(tested, units);
          assert(threshold <= tested.logThreshold && threshold > 0);
          assert(chanceToReach(tested, units, threshold) <= falseAlarmRate);
        },
      ),
      { seed: 1, numRuns: 100 },
    );
  });

  test("is Ville's for as many as anybody can count", () => {
    const tested = createSequentialTest({ maxRate: 0.01, falseAlarmRate: 0.01 });
    assert.equal(thresholdWithin(tested, 1_000_000), tested.logThreshold);
    assert.equal(thresholdWithin(tested, Number.POSITIVE_INFINITY), tested.logThreshold);
    assert.equal(thresholdWithin(tested, 0), tested.logThreshold);
  });

  test("wastes little: at 400 sites it stops as many as it may, and bad ones earlier", () => {
    const tested = createSequentialTest({ maxRate: 0.01, falseAlarmRate: 0.01 });
    assert(chanceToReach(tested, 400, thresholdWithin(tested, 400)) > 0.008);
    assert(chanceToReach(tested, 400, tested.logThreshold) < 0.004);
    const most = Number.POSITIVE_INFINITY;
    const fewest = [90, 400].map((n) => [
      fewestEvident(tested, 400, n),
      fewestEvident(tested, most, n),
    ]);
    assert.deepEqual(fewest, [
      [6, 6],
      [13, 14],
    ]);
  });

  test("holds by simulation from fixed seeds, and for a better release the more", () => {
    const tested = createSequentialTest({ maxRate: 0.02, falseAlarmRate: 0.05 });
    const runs = 2_000;
    const stoppedAt = (trueRate: number): number => {
      let stopped = 0;
      for (let seed = 0; seed < runs; seed++) {
        const random = new SeededRandom(seed);
        let failures = 0;
        for (let accepted = 1; accepted <= 600; accepted++) {
          if (!random.chance(trueRate)) continue;
          failures++;
          if (!isEvidentWithin(tested, 600, failures, accepted)) continue;
          stopped++;
          break;
        }
      }
      return stopped;
    };
    const atLimit = stoppedAt(0.02);
    assert(atLimit <= runs * 0.05 + 2 * Math.sqrt(runs * 0.05 * 0.95), `${atLimit} of ${runs}`);
    assert(atLimit > runs * 0.03, `${atLimit} of ${runs}: it wastes what it may`);
    assert(stoppedAt(0.015) < atLimit);
  });
});
