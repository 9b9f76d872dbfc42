// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { DeviceFacts } from "./device.ts";
import { placedName } from "./plan-places.ts";
import { planRollout, SAMPLE_SIZE, type Plan, type PlanIntent } from "./planner.ts";
import { DEFAULT_SPEC, type RolloutSpec } from "./rollout.ts";
import { specOf } from "./testing/pure-rollout.ts";
import type { Amount } from "./units.ts";

const NO_PLACE_LIMITS = { maxInFlightPerGateway: 0, maxInFlightPerSite: 0 };

function fleet(count: number, change: (index: number) => Partial<DeviceFacts> = () => ({})) {
  return Array.from({ length: count }, (_, index): DeviceFacts => ({
    ordinal: index + 1,
    id: `till-${index + 1}`,
    region: "eu",
    site: "one",
    labels: {},
    inventory: { hwRevision: "A" },
    serviceLevel: "",
    critical: false,
    retired: false,
    ...change(index),
  }));
}

function plan(
  devices: readonly DeviceFacts[],
  spec: Partial<RolloutSpec> = {},
  intent: Partial<PlanIntent> = {},
): Plan {
  const release = { fits: {}, downloadBytes: 1_000 };
  const full = {
    release,
    selects: () => true,
    runsRelease: () => false,
    expectedAttemptMs: 60_000,
  };
  return planRollout({ spec: specOf(spec), ...full, ...intent }, devices, "seed");
}

const sizes = ({ waves }: Plan): number[] => waves.map(({ start, end }) => end - start);

describe("devices that move together", () => {
  const cells = fleet(12, (index) => ({
    labels: index < 9 ? { cell: `cell-${index % 3}` } : {},
    critical: index === 4,
  }));
  const planned = plan(cells, { together: "cell", waves: [{ count: 1 }, { count: 2 }] });
  const groups = Array.from(planned.ordinals, (ordinal) => cells[ordinal - 1]?.labels["cell"]);

  test("are neighbours in one wave, and last as a whole where one of them is critical", () => {
    for (const { start, end } of planned.waves) {
      for (const cell of ["cell-0", "cell-1", "cell-2"]) {
        const inWave = groups.slice(start, end).filter((group) => group === cell).length;
        assert([0, 3].includes(inWave), `${inWave} of ${cell} are in the wave from ${start}`);
      }
    }
    assert.deepEqual(groups.slice(9), ["cell-1", "cell-1", "cell-1"]);
    const marked = groups.map((group, at) =>
      group !== undefined && group === groups[at - 1] ? 1 : 0,
    );
    assert.deepEqual([...planned.together], marked);
    assert.equal(marked.filter((mark) => mark === 1).length, 6);
  });

  test("are 64 at most", () => {
    const one = fleet(65, () => ({ labels: { cell: "all" } }));
    const message = /^more than 64 devices have the label cell=all/;
    assert.throws(() => plan(one, { together: "cell" }), { message });
  });
});

describe("waves", () => {
  const cases: { waves: Amount[]; count: number; expected: number[] }[] = [
    { waves: [], count: 10, expected: [10] },
    { waves: [{ count: 1 }, { count: 3 }], count: 10, expected: [1, 3, 6] },
    { waves: [{ percent: 1 }, { percent: 10 }], count: 1_000, expected: [10, 100, 890] },
    { waves: [{ percent: 1 }, { percent: 10 }], count: 5, expected: [1, 1, 3] },
    { waves: [{ percent: 50 }, { percent: 50 }], count: 7, expected: [4, 3] },
    { waves: [{ count: 100 }], count: 10, expected: [10] },
    { waves: [{ count: 4 }, { count: 6 }, { count: 5 }], count: 10, expected: [4, 6] },
    { waves: [{ count: 1 }], count: 0, expected: [] },
  ];
  for (const { waves, count, expected } of cases) {
    test(`${JSON.stringify(waves)} of ${count} → ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(sizes(plan(fleet(count), { waves })), expected);
    });
  }

  test("each names its first devices", () => {
    const { waves, deviceIds } = plan(fleet(30), { waves: [{ count: 3 }] });
    assert.deepEqual(waves[0]?.sample, deviceIds.slice(0, 3));
    assert.deepEqual(waves[1]?.sample, deviceIds.slice(3, 3 + SAMPLE_SIZE));
  });

  test("never hold ordinary and critical devices together, and critical ones are last", () => {
    const devices = fleet(20, (index) => ({ critical: index % 4 === 0 }));
    const planned = plan(devices, { waves: [{ count: 2 }] });
    assert.deepEqual(sizes(planned), [2, 13, 5]);
    const last = planned.deviceIds.slice(15).toSorted();
    assert.deepEqual(last, ["till-1", "till-13", "till-17", "till-5", "till-9"]);
    const drawn = plan(devices, { waves: [{ count: 2 }], order: "hash" });
    assert.deepEqual(sizes(drawn), [2, 18]);
  });

  test("of a fleet in which all are critical are cut as usual", () => {
    const devices = fleet(10, () => ({ critical: true }));
    assert.deepEqual(sizes(plan(devices, { waves: [{ count: 4 }] })), [4, 6]);
  });

  test("are expected one after the other, each in as many rounds as the limits make", () => {
    const spec = { waves: [{ count: 10 }], maxInFlight: { count: 20 }, soakMs: 60_000 };
    const { waves, expectedDurationMs } = plan(fleet(100), { ...spec, blastRadius: { count: 50 } });
    const times = waves.map(({ startMs, endMs }) => [startMs, endMs]);
    assert.deepEqual(times, [
      [0, 120_000],
      [120_000, 720_000],
    ]);
    assert.equal(expectedDurationMs, 720_000);
  });
});

describe("a limit of sites", () => {
  test("makes a wave as long as its largest site", () => {
    const devices = fleet(12, (index) => ({ site: index < 4 ? "shop" : `kiosk-${index}` }));
    const limits = { maxInFlight: { count: 12 }, blastRadius: { count: 12 }, soakMs: 0 };
    const expected = (maxInFlightPerSite: number, more = {}): number =>
      plan(devices, { ...limits, maxInFlightPerSite, ...more }).expectedDurationMs / 60_000;
    assert.deepEqual([expected(0), expected(1), expected(2), expected(9)], [1, 4, 2, 1]);
    assert.equal(expected(1, { maxInFlight: { count: 1 } }), 12);
  });

  test("knows the site of each position; a device without one has none", () => {
    const { sites, deviceIds } = plan(fleet(3, (index) => ({ site: index === 1 ? "" : "one" })));
    const ids = deviceIds.slice();
    const siteOf = (id: string): string => placedName(sites, ids.indexOf(id));
    assert.deepEqual(["till-1", "till-2", "till-3"].map(siteOf), ["one", "", "one"]);
  });
});

describe("caps of the bandwidth", () => {
  const MIB = 2 ** 20;
  const caps = (more: Partial<RolloutSpec["bandwidth"]>): Partial<RolloutSpec> => ({
    maxInFlight: { count: 12 },
    blastRadius: { count: 12 },
    soakMs: 0,
    bandwidth: {
      deviceBytesPerSecond: 0,
      siteBytesPerSecond: 0,
      gatewayBytesPerSecond: 0,
      ...more,
    },
  });
  const devices = fleet(12, (index) => ({
    site: index < 4 ? "shop" : `kiosk-${index}`,
    region: index < 6 ? "eu" : "us",
  }));
  const intent = { downloadBytesOf: () => 60 * MIB };
  const minutes = (more: Partial<RolloutSpec["bandwidth"]>): number =>
    plan(devices, caps(more), intent).expectedDurationMs / 60_000;

  test("add to the expected time what the device, site or region with most to fetch needs", () => {
    assert.equal(minutes({}), 1);
    assert.equal(minutes({ deviceBytesPerSecond: MIB }), 2);
    assert.equal(minutes({ siteBytesPerSecond: MIB }), 5, "four of one site, one after another");
    assert.equal(minutes({ gatewayBytesPerSecond: MIB }), 7, "six of one region");
    assert.equal(minutes({ deviceBytesPerSecond: MIB, siteBytesPerSecond: 4 * MIB }), 2);
  });

  test("cost each device its own bytes, given what it runs", () => {
    const sizes = { downloadBytesOf: ({ id }: DeviceFacts) => (id === "till-3" ? 120 * MIB : 0) };
    const planned = plan(devices, caps({ deviceBytesPerSecond: MIB }), sizes);
    assert.equal(planned.expectedDurationMs, 180_000);
  });
});

describe("an exponential ramp", () => {
  const ramp = (first: Amount, factor: number, cap: Amount, count: number): number[] =>
    sizes(plan(fleet(count), { strategy: { kind: "exponential", first, factor, cap } }));

  test("grows by its factor up to its cap, and ends with what is left", () => {
    assert.deepEqual(
      ramp({ count: 10 }, 2, { percent: 10 }, 500),
      [10, 20, 40, 50, 50, 50, 50, 50, 50, 50, 50, 30],
    );
    assert.deepEqual(ramp({ count: 1 }, 1.5, { count: 4 }, 16), [1, 1, 2, 3, 4, 4, 1]);
    assert.deepEqual(ramp({ count: 50 }, 3, { count: 20 }, 50), [20, 20, 10]);
    assert.deepEqual(ramp({ percent: 1 }, 10, { percent: 100 }, 1_000), [10, 100, 890]);
  });

  test("that would need more waves than a rollout may have is refused", () => {
    const error = { code: "failed_precondition", message: /more than 100 waves for 500 devices/ };
    assert.throws(() => ramp({ count: 1 }, 1, { count: 1 }, 500), error);
  });
});

describe("an adaptive window", () => {
  const bounds = (first: Amount, min: Amount, max: Amount): Plan["limits"]["window"] =>
    plan(fleet(200), {
      strategy: { kind: "adaptive", first, min, max },
      maxInFlight: { count: 40 },
      blastRadius: { count: 100 },
    }).limits.window;

  test("is frozen in devices, within what may be in flight", () => {
    const frozen = bounds({ count: 5 }, { count: 1 }, { percent: 10 });
    assert.deepEqual(frozen, { first: 5, min: 1, max: 20 });
    const clamped = bounds({ percent: 50 }, { count: 60 }, { count: 90 });
    assert.deepEqual(clamped, { first: 40, min: 40, max: 40 });
  });

  test("is expected to double until it is as large as may be", () => {
    const strategy = {
      kind: "adaptive",
      first: { count: 10 },
      min: { count: 1 },
      max: { count: 40 },
    } as const;
    const limits = { maxInFlight: { count: 40 }, blastRadius: { count: 100 } };
    const { expectedDurationMs } = plan(fleet(200), { strategy, ...limits, soakMs: 0 });
    assert.equal(expectedDurationMs, 7 * 60_000, "10, 20, then 170 by forties");
  });
});

describe("who is left out", () => {
  const fits = { hwRevision: ["A", "B"], arch: ["arm64"] };
  const cases: { reason: string; facts: Partial<DeviceFacts> }[] = [
    { reason: "retired", facts: { retired: true } },
    { reason: "does-not-fit", facts: { inventory: { hwRevision: "C", arch: "arm64" } } },
    { reason: "fit-unknown", facts: { inventory: { hwRevision: "A" } } },
    { reason: "already-running", facts: { labels: { runs: "it" } } },
  ];
  const good = { inventory: { hwRevision: "B", arch: "arm64" } };
  for (const { reason, facts } of cases) {
    test(`is told why: ${reason}`, () => {
      const devices = fleet(8, (index) => ({ ...good, ...(index < 7 ? facts : {}) }));
      const { exclusions, deviceIds } = plan(
        devices,
        {},
        {
          release: { fits, downloadBytes: 1 },
          runsRelease: ({ labels }) => labels["runs"] === "it",
        },
      );
      const sample = ["till-1", "till-2", "till-3", "till-4", "till-5"];
      assert.deepEqual(exclusions, [{ reason, deviceCount: 7, sample }]);
      assert.deepEqual(deviceIds.slice(), ["till-8"]);
    });
  }

  test("a fact that a device never told is unknown, whatever its name", () => {
    const release = { fits: { constructor: ["Object"] }, downloadBytes: 1 };
    const { exclusions } = plan(fleet(1), {}, { release });
    assert.equal(exclusions[0]?.reason, "fit-unknown");
  });

  test("whom the selector does not name is not mentioned", () => {
    const { exclusions, deviceIds } = plan(
      fleet(3),
      {},
      { selects: ({ ordinal }) => ordinal === 2 },
    );
    assert.deepEqual([exclusions, deviceIds.slice()], [[], ["till-2"]]);
  });
});

describe("limits are frozen as numbers of devices", () => {
  test("percentages of the plan, not of the fleet", () => {
    const selects = ({ ordinal }: DeviceFacts): boolean => ordinal <= 200;
    const spec = { maxInFlight: { percent: 5 }, blastRadius: { percent: 10 } };
    const gate = { ...DEFAULT_SPEC.gate, maxFailures: { percent: 1 } };
    const { limits } = plan(fleet(1_000), { ...spec, gate }, { selects });
    const expected = {
      maxInFlight: 10,
      blastRadius: 20,
      maxFailures: 2,
      window: null,
      ...NO_PLACE_LIMITS,
    };
    assert.deepEqual(limits, { ...expected, maxFailureRatePercent: 1 });
  });

  test("no more are in flight than may be unproven", () => {
    const { limits } = plan(fleet(100), {
      maxInFlight: { count: 50 },
      blastRadius: { count: 5 },
    });
    assert.deepEqual([limits.maxInFlight, limits.blastRadius], [5, 5]);
  });

  test("the smallest fleet can still move", () => {
    const { limits } = plan(fleet(1));
    const expected = {
      maxInFlight: 1,
      blastRadius: 1,
      maxFailures: 1,
      window: null,
      ...NO_PLACE_LIMITS,
    };
    assert.deepEqual(limits, { ...expected, maxFailureRatePercent: 100 });
  });
});

test("the expected duration is of full waves, one after the other", () => {
  const spec = { waves: [{ count: 5 }], maxInFlight: { count: 10 }, blastRadius: { count: 50 } };
  // 5 in one go and 45 in five, each of an attempt of 60 s and a soak of 10 s.
  assert.equal(plan(fleet(50), spec).expectedDurationMs, 6 * 70_000);
  assert.equal(plan(fleet(50)).downloadBytes, 50_000);
});

const amount = fc.oneof(
  fc.integer({ min: 1, max: 60 }).map((count) => ({ count })),
  fc.integer({ min: 1, max: 10_000 }).map((hundredths) => ({ percent: hundredths / 100 })),
);

describe("any plan", () => {
  test("has every chosen device exactly once, in contiguous waves, within the limits", () => {
    const arguments_ = fc.record({
      count: fc.integer({ min: 0, max: 300 }),
      retiredEvery: fc.integer({ min: 2, max: 9 }),
      waves: fc.array(amount, { maxLength: 5 }),
      maxInFlight: amount,
      blastRadius: amount,
    });
    fc.assert(
      fc.property(arguments_, ({ count, retiredEvery, waves, maxInFlight, blastRadius }) => {
        const devices = fleet(count, (index) => ({ retired: index % retiredEvery === 0 }));
        const made = plan(devices, { waves, maxInFlight, blastRadius });
        const wanted = devices.filter((device) => !device.retired).map(({ ordinal }) => ordinal);
        assert.deepEqual(
          [...made.ordinals].sort((a, b) => a - b),
          wanted,
        );
        const excluded = made.exclusions.reduce((sum, { deviceCount }) => sum + deviceCount, 0);
        assert.equal(excluded, count - wanted.length);
        let next = 0;
        for (const { start, end } of made.waves) {
          assert(start === next && end > start);
          next = end;
        }
        assert.equal(next, wanted.length);
        assert(made.limits.blastRadius <= wanted.length);
        assert(made.limits.maxInFlight <= Math.max(made.limits.blastRadius, 1));
        assert.deepEqual(
          made,
          plan(devices, { waves, maxInFlight, blastRadius }),
          "it is the same",
        );
      }),
      { numRuns: 200 },
    );
  });

  test("puts a device at the same place whoever else is in it", () => {
    const all = plan(fleet(200)).deviceIds.slice();
    const selects = ({ ordinal }: DeviceFacts): boolean => ordinal % 2 === 0;
    const half = plan(fleet(200), {}, { selects }).deviceIds.slice();
    const chosen = new Set(half);
    assert.deepEqual(
      all.filter((id) => chosen.has(id)),
      half,
    );
  });
});
