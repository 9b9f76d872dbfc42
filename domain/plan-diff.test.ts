// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { DIFF_GROUPS, DIFF_SAMPLE, diffPlans, type ComparedPlan } from "./plan-diff.ts";

function planOf(...waves: readonly (readonly number[])[]): ComparedPlan {
  let end = 0;
  return {
    ordinals: Uint32Array.from(waves.flat()),
    waves: waves.map((wave) => ({ start: end, end: (end += wave.length) })),
  };
}

describe("two plans beside each other", () => {
  test("say who came, who went, and who is earlier or later", () => {
    const diff = diffPlans(planOf([1, 2], [3, 4, 5]), planOf([2, 3], [9], [1, 5]));
    const found = DIFF_GROUPS.map((group) => [group, diff[group].ordinals]);
    assert.deepEqual(Object.fromEntries(found), {
      added: [9],
      removed: [4],
      earlier: [3],
      later: [1, 5],
      same: [2],
    });
  });

  test("name the first few of many", () => {
    const many = Array.from({ length: 1_000 }, (_, index) => index + 1);
    const { added } = diffPlans(planOf([]), planOf(many));
    assert.deepEqual([added.deviceCount, added.ordinals], [1_000, many.slice(0, DIFF_SAMPLE)]);
  });

  test("count every device of both once, and a plan beside itself is the same", () => {
    const wave = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 40 });
    fc.assert(
      fc.property(wave, wave, fc.nat(40), (before, after, cut) => {
        const left = planOf(before.slice(0, cut), before.slice(cut));
        const right = planOf(after.slice(0, cut), after.slice(cut));
        const { added, removed, earlier, later, same } = diffPlans(left, right);
        const kept = earlier.deviceCount + later.deviceCount + same.deviceCount;
        assert.equal(kept + added.deviceCount, after.length);
        assert.equal(kept + removed.deviceCount, before.length);
        assert.equal(diffPlans(left, left).same.deviceCount, before.length);
      }),
    );
  });
});
