// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { NOTHING_FORGIVEN, type Forgiven, type StopVerdict } from "./gate.ts";
import { DEFAULT_SPEC, type GatePolicy, type PlanLimits } from "./rollout.ts";
import { evidentFailures, stopVerdict, type GateFrame } from "./stop-rules.ts";
import { SeededRandom } from "./seeded-random.ts";
import { specOf } from "./testing/pure-rollout.ts";

function frameOf(limits: Partial<PlanLimits> = {}, gate: Partial<GatePolicy> = {}): GateFrame {
  return {
    spec: specOf({ gate: { ...DEFAULT_SPEC.gate, ...gate } }),
    limits: {
      maxInFlight: 200,
      blastRadius: 200,
      maxFailures: 1_000_000,
      maxFailureRatePercent: 1,
      window: null,
      maxInFlightPerGateway: 0,
      maxInFlightPerSite: 0,
      ...limits,
    },
  };
}

function verdictOf(
  frame: GateFrame,
  failures: number,
  accepted: number,
  forgiven: Forgiven = NOTHING_FORGIVEN,
): StopVerdict {
  return stopVerdict(frame, { failures, accepted, forgiven });
}

describe("counts and the sequential test together", () => {
  test("the first that fires says so: counts in a small fleet", () => {
    const verdict = verdictOf(frameOf({ maxFailures: 1, maxFailureRatePercent: 33 }), 1, 1);
    assert.deepEqual(verdict, {
      stop: true,
      why: "1 of the 1 devices that accepted have failed; the limit is 1",
    });
  });

  test("the sequential test in a large one, with its limit and its false-alarm rate", () => {
    const frame = frameOf({ maxFailures: 200 });
    assert.deepEqual(verdictOf(frame, 6, 100), { stop: false });
    assert.deepEqual(verdictOf(frame, 7, 100), {
      stop: true,
      why:
        "7 of the 100 devices that accepted have failed; " +
        "it is evident that more than 1 % would (false alarm 1 %)",
    });
  });

  test("a smaller false-alarm rate wants more evidence", () => {
    assert.equal(verdictOf(frameOf({}, { falseAlarmPercent: 0.01 }), 7, 100).stop, false);
    assert.equal(verdictOf(frameOf({}, { falseAlarmPercent: 0.01 }), 10, 100).stop, true);
  });

  test("a limit of 100 % is not tested", () => {
    const frame = frameOf({ maxFailureRatePercent: 100 });
    assert.equal(verdictOf(frame, 1_000, 1_000).stop, false);
    assert.deepEqual(evidentFailures(frame, [10, 100]), []);
  });

  test("who reviews a plan sees from how many failures on it is evident", () => {
    assert.deepEqual(evidentFailures(frameOf(), [1, 100, 1_000]), [0, 7, 24]);
  });
});

describe("after a resume", () => {
  const frame = frameOf();
  const forgiven = { failures: 6, accepted: 100, underWay: 0 };

  test("it does not fire again on the same evidence", () => {
    assert.equal(verdictOf(frame, 6, 100, forgiven).stop, false);
    assert.equal(verdictOf(frame, 6, 101, forgiven).stop, false);
    assert.equal(verdictOf(frame, 7, 101, forgiven).stop, false);
  });

  test("nor is it blind: as many new failures as at the start stop it, and it says so", () => {
    const verdict = verdictOf(frame, 13, 200, forgiven);
    assert.deepEqual(verdict, {
      stop: true,
      why:
        "13 of the 200 devices that accepted have failed, 6 of them before the last resume; " +
        "it is evident that more than 1 % would (false alarm 1 %)",
    });
    // The good news of ten thousand devices does not weigh on what comes after them.
    const late = { failures: 150, accepted: 10_000, underWay: 0 };
    assert.equal(verdictOf(frame, 157, 10_100, late).stop, true);
  });

  test("failures that were on their way at the resume are not of those who accepted since", () => {
    const onTheirWay = { failures: 6, accepted: 1_000, underWay: 7 };
    assert.equal(verdictOf(frame, 13, 1_010, onTheirWay).stop, false);
    assert.equal(verdictOf(frame, 13, 1_010, { ...onTheirWay, underWay: 0 }).stop, true);
    // Yet they count: so many are evident against everybody who ever accepted.
    assert.equal(verdictOf(frame, 40, 1_010, { ...onTheirWay, underWay: 100 }).stop, true);
  });

  test("a release at the limit is stopped in no more rollouts than promised", () => {
    const runs = 1_500;
    let stopped = 0;
    const strict = frameOf({}, { falseAlarmPercent: 5 });
    for (let seed = 0; seed < runs; seed++) {
      const random = new SeededRandom(seed);
      let failures = 6; // seen at 100 devices, and resumed over
      for (let accepted = 101; accepted <= 2_000; accepted++) {
        if (!random.chance(0.01)) continue;
        failures++;
        if (!verdictOf(strict, failures, accepted, forgiven).stop) continue;
        stopped++;
        break;
      }
    }
    assert(stopped <= runs * 0.05 + 2 * Math.sqrt(runs * 0.05 * 0.95), `${stopped} of ${runs}`);
    assert(stopped > 0);
  });
});
