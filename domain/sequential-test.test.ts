// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { fewestEvident, isEvidentWithin } from "./finite-horizon.ts";
import { createSequentialTest, type SequentialTest } from "./sequential-test.ts";
import { SeededRandom } from "./seeded-random.ts";

const PRECISION = 10n ** 60n;
const GRID_SIZE = 24;

/** A fraction as an integer of 60 digits: exact sums and products, no logarithm anywhere. */
function big(value: number): bigint {
  return BigInt(Math.round(value * 2 ** 52)) * (PRECISION / 2n ** 52n);
}

function power(base: bigint, exponent: number): bigint {
  let result = PRECISION;
  let factor = base;
  for (let left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = (result * factor) / PRECISION;
    factor = (factor * factor) / PRECISION;
  }
  return result;
}

/** log M from its definition, term by term, in integers of 60 digits. */
function naiveLogEvidence(maxRate: number, failures: number, accepted: number): number {
  let sum = 0n;
  for (let i = 0; i < GRID_SIZE; i++) {
    const rate = maxRate ** (1 - (i + 0.5) / GRID_SIZE);
    const perFailure = (big(rate) * PRECISION) / big(maxRate);
    const perOther = (big(1 - rate) * PRECISION) / big(1 - maxRate);
    sum += (power(perFailure, failures) * power(perOther, accepted - failures)) / PRECISION;
  }
  const digits = sum.toString();
  const leading = Number(`0.${digits.slice(0, 17)}`);
  return Math.log(leading) + (digits.length - 60) * Math.LN10 - Math.log(GRID_SIZE);
}

const rate = fc.double({ min: 0.001, max: 0.5, noNaN: true });
const count = fc.integer({ min: 0, max: 2_000 });

/** However many there are. */
function isEvident(tested: SequentialTest, failures: number, accepted: number): boolean {
  return isEvidentWithin(tested, Infinity, failures, accepted);
}

describe("the evidence", () => {
  test("is what its definition says, computed exactly", () => {
    fc.assert(
      fc.property(rate, count, fc.double({ min: 0, max: 1, noNaN: true }), (maxRate, n, share) => {
        const k = Math.round(n * share * share);
        const { logEvidence } = createSequentialTest({ maxRate, falseAlarmRate: 0.01 });
        const naive = naiveLogEvidence(maxRate, k, n);
        // Below 60 digits the exact one has nothing left to say.
        if (naive < -80) return;
        const difference = Math.abs(logEvidence(k, n) - naive);
        assert(difference <= 1e-8 * Math.max(1, Math.abs(naive)), `${k}/${n}: ${naive}`);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test("is nothing before anybody has accepted, and finite for a million", () => {
    const { logEvidence } = createSequentialTest({ maxRate: 0.01, falseAlarmRate: 0.01 });
    assert(Math.abs(logEvidence(0, 0)) < 1e-12);
    for (const failures of [0, 1, 10_000, 20_000, 999_999, 1_000_000]) {
      assert(Number.isFinite(logEvidence(failures, 1_000_000)), String(failures));
    }
    // At twice the limit each device tells 0.0037 on average: the best term is all that counts.
    const perDevice = 0.02 * Math.log(2) + 0.98 * Math.log(0.98 / 0.99);
    const expected = 1_000_000 * perDevice;
    assert(Math.abs(logEvidence(20_000, 1_000_000) - expected) < 0.02 * expected);
  });

  test("grows with every failure and falls with everybody who has not failed", () => {
    fc.assert(
      fc.property(rate, count, count, (maxRate, failures, others) => {
        const { logEvidence } = createSequentialTest({ maxRate, falseAlarmRate: 0.01 });
        const n = failures + others;
        assert(logEvidence(failures + 1, n + 1) > logEvidence(failures, n));
        assert(logEvidence(failures, n + 1) < logEvidence(failures, n));
        assert(logEvidence(failures + 1, n + 1) > logEvidence(failures, n + 1));
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});

describe("the verdict", () => {
  const strict = createSequentialTest({ maxRate: 0.01, falseAlarmRate: 0.01 });

  test("at a limit of 1 %: two of two, and how many of more", () => {
    assert.equal(isEvident(strict, 1, 1), false);
    assert.equal(isEvident(strict, 2, 2), true);
    const fewest = [2, 10, 100, 1_000, 10_000].map((n) => fewestEvident(strict, Infinity, n));
    assert.deepEqual(fewest, [2, 3, 7, 24, 142]);
  });

  test("the fewest are evident, and one less is not", () => {
    fc.assert(
      fc.property(rate, fc.integer({ min: 1, max: 100_000 }), (maxRate, accepted) => {
        const tested = createSequentialTest({ maxRate, falseAlarmRate: 0.01 });
        const fewest = fewestEvident(tested, Infinity, accepted);
        assert.equal(fewest === null, !isEvident(tested, accepted, accepted));
        if (fewest === null) return;
        assert(isEvident(tested, fewest, accepted));
        assert(!isEvident(tested, fewest - 1, accepted));
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test("few devices of a fleet that may break one in three prove nothing", () => {
    const third = createSequentialTest({ maxRate: 1 / 3, falseAlarmRate: 0.01 });
    assert.equal(fewestEvident(third, Infinity, 3), null);
    assert.equal(isEvident(third, 0, 0), false);
  });
});

/** Looks after every device; true when it ever was evident. */
function everEvident(options: {
  random: SeededRandom;
  trueRate: number;
  maxRate: number;
  falseAlarmRate: number;
  devices: number;
}): boolean {
  const tested = createSequentialTest(options);
  let failures = 0;
  for (let accepted = 1; accepted <= options.devices; accepted++) {
    if (!options.random.chance(options.trueRate)) continue;
    failures++;
    // Only a failure can make it evident.
    if (isEvident(tested, failures, accepted)) return true;
  }
  return false;
}

describe("Ville's bound, by simulation from fixed seeds", () => {
  for (const { maxRate, falseAlarmRate, devices } of [
    { maxRate: 0.01, falseAlarmRate: 0.01, devices: 5_000 },
    { maxRate: 0.05, falseAlarmRate: 0.05, devices: 2_000 },
    { maxRate: 0.2, falseAlarmRate: 0.1, devices: 1_000 },
  ]) {
    test(`at a limit of ${maxRate} at most ${falseAlarmRate} of releases at it are stopped`, () => {
      const runs = 2_000;
      let stopped = 0;
      for (let seed = 0; seed < runs; seed++) {
        const random = new SeededRandom(seed);
        if (everEvident({ random, trueRate: maxRate, maxRate, falseAlarmRate, devices })) stopped++;
      }
      const deviation = Math.sqrt(runs * falseAlarmRate * (1 - falseAlarmRate));
      assert(stopped <= runs * falseAlarmRate + 2 * deviation, `${stopped} of ${runs}`);
      // And it is no rule that never stops anything.
      assert(stopped > 0);
    });
  }

  test("five times the limit is found in every run, most before 400 devices", () => {
    let early = 0;
    for (let seed = 0; seed < 200; seed++) {
      const options = { trueRate: 0.05, maxRate: 0.01, falseAlarmRate: 0.01 };
      assert(everEvident({ ...options, random: new SeededRandom(seed), devices: 5_000 }));
      if (everEvident({ ...options, random: new SeededRandom(seed), devices: 400 })) early++;
    }
    assert(early > 100, `${early} of 200`);
  });
});
