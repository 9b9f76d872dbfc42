// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { NOTHING_FORGIVEN, type Forgiven } from "./gate.ts";
import { DEFAULT_SPEC, type GatePolicy, type PlanLimits } from "./rollout.ts";
import {
  evidentFailures,
  gateVerdict,
  type GateFrame,
  type GateInput,
  type GateVerdict,
} from "./stop-rules.ts";
import { SeededRandom } from "./seeded-random.ts";
import type { GateSight, UnitCounts } from "./slice-tally.ts";
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
): GateVerdict {
  return gateVerdict(frame, inputOf(0, 0, { whole: { failures, accepted, forgiven } }));
}

describe("counts and the sequential test together", () => {
  test("the first that fires says so: counts in a small fleet", () => {
    const verdict = verdictOf(frameOf({ maxFailures: 1, maxFailureRatePercent: 33 }), 1, 1);
    assert.deepEqual(verdict, {
      kind: "stop",
      why: "1 of the 1 devices that accepted have failed; the limit is 1",
    });
  });

  test("the sequential test in a large one, with its limit and its false-alarm rate", () => {
    const frame = frameOf({ maxFailures: 200 });
    assert.deepEqual(verdictOf(frame, 6, 100), { kind: "go" });
    assert.deepEqual(verdictOf(frame, 7, 100), {
      kind: "stop",
      why:
        "7 of the 100 devices that accepted have failed; " +
        "it is evident that more than 1 % would (false alarm 1 %)",
    });
  });

  test("a smaller false-alarm rate wants more evidence", () => {
    assert.equal(verdictOf(frameOf({}, { falseAlarmPercent: 0.01 }), 7, 100).kind, "go");
    assert.equal(verdictOf(frameOf({}, { falseAlarmPercent: 0.01 }), 10, 100).kind, "stop");
  });

  test("a limit of 100 % is not tested", () => {
    const frame = frameOf({ maxFailureRatePercent: 100 });
    assert.equal(verdictOf(frame, 1_000, 1_000).kind, "go");
    assert.deepEqual(evidentFailures(frame, 0, [10, 100]), []);
  });

  test("who reviews a plan sees from how many failures on it is evident", () => {
    assert.deepEqual(evidentFailures(frameOf(), 0, [1, 100, 1_000]), [0, 6, 23]);
  });
});

describe("after a resume", () => {
  const frame = frameOf();
  const forgiven = { failures: 6, accepted: 100, underWay: 0 };

  test("it does not fire again on the same evidence", () => {
    assert.equal(verdictOf(frame, 6, 100, forgiven).kind, "go");
    assert.equal(verdictOf(frame, 6, 101, forgiven).kind, "go");
    assert.equal(verdictOf(frame, 7, 101, forgiven).kind, "go");
  });

  test("nor is it blind: as many new failures as at the start stop it, and it says so", () => {
    const verdict = verdictOf(frame, 13, 200, forgiven);
    assert.deepEqual(verdict, {
      kind: "stop",
      why:
        "13 of the 200 devices that accepted have failed, 6 of them before the last resume; " +
        "it is evident that more than 1 % would (false alarm 1 %)",
    });
    // The good news of ten thousand devices does not weigh on what comes after them.
    const late = { failures: 150, accepted: 10_000, underWay: 0 };
    assert.equal(verdictOf(frame, 157, 10_100, late).kind, "stop");
  });

  test("failures that were on their way at the resume are not of those who accepted since", () => {
    const onTheirWay = { failures: 6, accepted: 1_000, underWay: 7 };
    assert.equal(verdictOf(frame, 13, 1_010, onTheirWay).kind, "go");
    assert.equal(verdictOf(frame, 13, 1_010, { ...onTheirWay, underWay: 0 }).kind, "stop");
    // Yet they count: so many are evident against everybody who ever accepted.
    assert.equal(verdictOf(frame, 40, 1_010, { ...onTheirWay, underWay: 100 }).kind, "stop");
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
        if (verdictOf(strict, failures, accepted, forgiven).kind === "go") continue;
        stopped++;
        break;
      }
    }
    assert(stopped <= runs * 0.05 + 2 * Math.sqrt(runs * 0.05 * 0.95), `${stopped} of ${runs}`);
    assert(stopped > 0);
  });
});

/** Sites and slices as a tally would give them. */
function sightOf(options: {
  sites: { accepted: number; failed: number };
  siteCount: number;
  slices?: readonly (UnitCounts & { siteCount?: number })[];
}): GateSight {
  const { sites, siteCount, slices = [] } = options;
  return {
    tally: {
      plan: {
        siteCount,
        slices: slices.map((slice, index) => ({
          name: `region ${index}`,
          deviceCount: 1_000,
          siteCount: slice.siteCount ?? 0,
        })),
      },
      sites,
      slice: (index) => slices[index]!,
    },
    held: null,
    underWay: () => [],
  };
}

function inputOf(failures: number, accepted: number, more: Partial<GateInput>): GateInput {
  return {
    whole: { failures, accepted, forgiven: NOTHING_FORGIVEN },
    // A fleet so large that Ville's bound is the threshold.
    planned: 1_000_000,
    sight: null,
    forgivenFailedSites: 0,
    forgivenSlices: [],
    heldSlices: [],
    ...more,
  };
}

describe("sites beside devices", () => {
  const at = (failed: number, accepted: number, siteCount = 400): GateSight =>
    sightOf({ sites: { failed, accepted }, siteCount });

  test("one site that fails as a whole stops nothing", () => {
    const verdict = gateVerdict(frameOf(), inputOf(50, 100, { sight: at(1, 80) }));
    assert.equal(verdict.kind, "go");
  });

  test("many sites do, and the sentence has both counts", () => {
    const verdict = gateVerdict(frameOf(), inputOf(50, 100, { sight: at(20, 80) }));
    assert.deepEqual(verdict, {
      kind: "stop",
      why:
        "50 of the 100 devices that accepted have failed, at 20 of the 80 sites that they " +
        "stand at; it is evident that more than 1 % would (false alarm 1 %)",
    });
  });

  test("many sites with a failure each do not, while the devices are within the limit", () => {
    const verdict = gateVerdict(frameOf(), inputOf(90, 10_000, { sight: at(80, 400) }));
    assert.equal(verdict.kind, "go");
  });

  test("too few sites to make anything evident leave it to the devices", () => {
    assert.equal(gateVerdict(frameOf(), inputOf(50, 100, { sight: at(1, 1, 1) })).kind, "stop");
    const third = frameOf({ maxFailureRatePercent: 33 });
    assert.equal(gateVerdict(third, inputOf(90, 100, { sight: at(3, 4, 4) })).kind, "stop");
  });

  test("sites that were resumed over count no more, until too few are left to count", () => {
    const sight = at(30, 400);
    const input = inputOf(60, 600, { sight, forgivenFailedSites: 29 });
    assert.equal(gateVerdict(frameOf(), input).kind, "go");
    const allForgiven = inputOf(60, 600, { sight: at(400, 400), forgivenFailedSites: 400 });
    assert.equal(gateVerdict(frameOf(), allForgiven).kind, "stop");
  });
});

describe("a plan that devices join", () => {
  test("needs the evidence of one without end, since nobody knows how many more will come", () => {
    const among = (accepted: number, more: Partial<GateInput>): string => {
      const failures = evidentFailures(frameOf(), 0, [accepted])[0] ?? 0;
      return gateVerdict(frameOf(), inputOf(failures, accepted, more)).kind;
    };
    assert.equal(among(100, { planned: 100 }), "stop");
    assert.equal(among(100, { planned: 101, isGrowing: true }), "go");
  });
});

describe("slices", () => {
  const none = { accepted: 0, failures: 0, sitesAccepted: 0, sitesFailed: 0 };
  const good = { ...none, accepted: 900, failures: 3 };
  const bad = { ...none, accepted: 100, failures: 9 };
  const sight = sightOf({
    sites: { accepted: 0, failed: 0 },
    siteCount: 0,
    slices: [good, bad],
  });
  const why =
    "9 of the 100 devices in slice region 1 that accepted have failed; " +
    "it is evident that more than 1 % would (false alarm 1 %, shared by 3 tests)";

  test("one that fails stops the rollout, named", () => {
    const verdict = gateVerdict(frameOf(), inputOf(12, 1_000, { sight }));
    assert.deepEqual(verdict, { kind: "stop", why });
  });

  test("or is held, once", () => {
    const holds = frameOf({}, { onSliceFailure: "hold-slice" });
    const verdict = gateVerdict(holds, inputOf(12, 1_000, { sight }));
    assert.deepEqual(verdict, { kind: "hold", slices: [{ slice: 1, why }] });
    const heldSlices = [{ slice: 1, why }];
    assert.equal(gateVerdict(holds, inputOf(3, 900, { sight, heldSlices })).kind, "go");
  });

  test("of which the worst makes others look bad are judged without it", () => {
    const holds = frameOf({}, { onSliceFailure: "hold-slice" });
    const region = { ...none, accepted: 500, failures: 40 };
    const revision = { ...none, accepted: 100, failures: 40 };
    const both = sightOf({
      sites: { accepted: 0, failed: 0 },
      siteCount: 0,
      slices: [region, revision],
    });
    const verdict = gateVerdict(holds, inputOf(40, 1_000, { sight: both }));
    assert(verdict.kind === "hold");
    assert.deepEqual(
      verdict.slices.map(({ slice }) => slice),
      [1],
    );
    const restSlices = [{ ...region, accepted: 450, failures: 0 }, none];
    const held = { accepted: 100, failures: 40, pending: [], restSites: both.tally.sites };
    const sight = { ...both, held: { ...held, restSlices } };
    const heldSlices = verdict.slices;
    assert.equal(gateVerdict(holds, inputOf(0, 900, { sight, heldSlices })).kind, "go");
  });

  test("the more there are, the more evidence each needs", () => {
    const counts = [1, 8, 64].map((slices) => evidentFailures(frameOf(), slices, [100])[0] ?? 0);
    assert.deepEqual(counts, [6, 7, 8]);
  });

  test("what was forgiven of one stops it no more", () => {
    const seen = { failures: 9, accepted: 100, underWay: 0, failedSites: 0 };
    const forgivenSlices = [{ ...seen, failures: 3, accepted: 900 }, seen];
    const verdict = gateVerdict(frameOf(), inputOf(12, 1_000, { sight, forgivenSlices }));
    assert.equal(verdict.kind, "go");
  });

  test("a whole that fails is said of the whole", () => {
    const verdict = gateVerdict(frameOf(), inputOf(60, 1_000, { sight }));
    assert(verdict.kind === "stop" && verdict.why.startsWith("60 of the 1000 devices that"));
  });
});
