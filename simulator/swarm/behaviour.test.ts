// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isMusterError } from "../../domain/errors.ts";
import { BEHAVIOURS, DEFAULT_BEHAVIOURS, dealBehaviours, parseBehaviours } from "./behaviour.ts";

const ids = Array.from({ length: 1_000 }, (_, index) => `sim-${index}`);

function countsOf(seed: string, weights: Parameters<typeof dealBehaviours>[0]["weights"]): object {
  const counts: { [behaviour: string]: number } = {};
  for (const { behaviour } of dealBehaviours({ ids, weights, seed })) {
    counts[behaviour] = (counts[behaviour] ?? 0) + 1;
  }
  return counts;
}

describe("dealing behaviours", () => {
  it("gives exact shares, whatever the seed", () => {
    const weights = { good: 90, slow: 7, crashing: 3 };
    for (const seed of ["1", "2", "3"]) {
      assert.deepEqual(countsOf(seed, weights), { good: 900, slow: 70, crashing: 30 });
    }
  });

  it("deals the same again for the same seed, and otherwise for another", () => {
    const weights = { good: 1, silent: 1 };
    const deal = (seed: string): unknown => dealBehaviours({ ids, weights, seed });
    assert.deepEqual(deal("one"), deal("one"));
    assert.notDeepEqual(deal("one"), deal("two"));
  });

  it("gives every device one behaviour, and none that was not asked for", () => {
    const weight = fc.integer({ min: 0, max: 20 });
    const weights = fc
      .tuple(...BEHAVIOURS.map(() => weight))
      .map((all) => Object.fromEntries(BEHAVIOURS.map((name, index) => [name, all[index] ?? 0])))
      .filter((all) => Object.values(all).some((share) => share > 0));
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 50 }), (shares, deviceCount) => {
        const some = ids.slice(0, deviceCount);
        const dealt = dealBehaviours({ ids: some, weights: shares, seed: "s" });
        assert.deepEqual(
          dealt.map(({ id }) => id),
          some,
        );
        for (const { behaviour } of dealt) assert.ok((shares[behaviour] ?? 0) > 0);
      }),
    );
  });
});

describe("shares of behaviours as text", () => {
  it("are read", () => {
    assert.deepEqual(parseBehaviours(DEFAULT_BEHAVIOURS, "f"), { good: 90, slow: 5, flaky: 5 });
    assert.deepEqual(parseBehaviours("bad-hardware = 0.5", "f"), { "bad-hardware": 0.5 });
  });

  for (const text of ["", "godo=1", "good", "good=-1", "good=1,,slow=1", "good=0", "good=1e9"]) {
    it(`are refused when they are ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parseBehaviours(text, "--behaviours"),
        (error: unknown) =>
          isMusterError(error) &&
          error.code === "invalid_argument" &&
          error.detail.field === "--behaviours",
      );
    });
  }
});
