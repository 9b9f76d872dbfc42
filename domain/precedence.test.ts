// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ATTEMPT, ATTEMPT_STATES, CELL_FLAGS, isUnderWay } from "./attempt.ts";
import {
  areRivals,
  judgeRival,
  judgeRivalAgain,
  winsOver,
  type Contender,
  type Rivalry,
} from "./precedence.ts";

const older: Contender = {
  number: 1,
  priority: 0,
  compatible: false,
  isRollback: false,
  slot: "app",
};
const newer: Contender = { ...older, number: 3 };
const { exposed, settled, failed } = CELL_FLAGS;

function judge(
  own: Contender,
  other: Contender,
  state: keyof typeof ATTEMPT,
  flags = 0,
  isOfferOver = false,
): Rivalry {
  return judgeRival(own, other, { state: ATTEMPT[state], flags, isOfferOver });
}

describe("two rollouts of one slot", () => {
  test("the higher priority wins, then the newer", () => {
    assert.equal(winsOver(newer, older), true);
    assert.equal(winsOver(newer, { ...older, priority: 1 }), false);
  });

  test("the one that loses waits for what may come, and is outdone by what has", () => {
    assert.equal(judge(older, newer, "pending"), "wait");
    assert.equal(judge(older, newer, "succeeded", exposed), "outdone");
    assert.equal(judge(older, newer, "lost", exposed | failed), "wait");
    for (const state of ["cancelled", "unreachable", "rejected"] as const) {
      assert.equal(judge(older, newer, state), "free", state);
    }
    const back = exposed | failed | settled;
    assert.equal(judge(older, newer, "rolled-back", back), "free", "it is back where it was");
  });

  test("the one that wins waits only for what is at work", () => {
    for (const state of ATTEMPT_STATES) {
      const isAtWork = state === "offered" || isUnderWay(ATTEMPT[state]);
      assert.equal(judge(newer, older, state, exposed), isAtWork ? "wait" : "free", state);
    }
  });

  test("an offer that ran out without an answer holds nobody up", () => {
    assert.equal(judge(newer, older, "offered", 0, true), "free");
    assert.equal(judge(older, newer, "offered", 0, true), "wait", "it will be made again");
  });

  test("what was offered before is offered anew when nobody else is at it", () => {
    const again = (other: Contender, state: keyof typeof ATTEMPT, isOfferOld = false): Rivalry =>
      judgeRivalAgain(older, other, { state: ATTEMPT[state], isOfferOld });
    assert.equal(again(newer, "installing"), "wait");
    assert.equal(again(newer, "offered"), "wait");
    assert.equal(again(newer, "offered", true), "free", "who comes first has it");
    assert.equal(again(newer, "pending"), "free", "that one waits");
    assert.equal(again(newer, "succeeded"), "outdone");
    assert.equal(again({ ...newer, priority: -1 }, "succeeded"), "free");
    assert.equal(again({ ...newer, slot: "os" }, "succeeded"), "free");
  });

  test("a rollback goes ahead of what has not begun, and leaves alone what is newer", () => {
    const rollback = { ...older, number: 2, isRollback: true };
    const third = { ...newer, number: 5 };
    assert.equal(judge(rollback, third, "pending"), "free");
    assert.equal(judge(third, rollback, "pending"), "wait");
    assert.equal(judge(third, rollback, "succeeded", exposed), "free");
    assert.equal(judge(rollback, third, "installing", exposed), "wait");
    assert.equal(judge(rollback, third, "succeeded", exposed), "outdone");
    assert.equal(areRivals(older, rollback), false);
  });
});

describe("two slots of one device", () => {
  const firmware = { ...newer, slot: "os" };

  test("do not change at the same time, unless both rollouts say that they may", () => {
    assert.equal(judge(older, firmware, "installing", exposed), "wait");
    assert.equal(judge(older, firmware, "succeeded", exposed), "free");
    assert.equal(judge(older, firmware, "pending"), "free");
    assert.equal(areRivals(older, { ...firmware, compatible: true }), true);
    const compatible = [older, firmware].map((one) => ({ ...one, compatible: true }));
    assert.equal(areRivals(compatible[0]!, compatible[1]!), false);
  });
});

test("of any two that want a device, at least one may go on once nothing is at work", () => {
  const contender = fc.record({
    number: fc.integer({ min: 1, max: 40 }),
    priority: fc.integer({ min: -2, max: 2 }),
    compatible: fc.boolean(),
    slot: fc.constantFrom("app", "os"),
  });
  fc.assert(
    fc.property(contender, contender, (one, two) => {
      const [left, right] = [one, two].map((made) => ({
        ...made,
        isRollback: made.number % 2 === 0,
      }));
      if (left === undefined || right === undefined || !areRivals(left, right)) return;
      const both = [judge(left, right, "pending"), judge(right, left, "pending")];
      assert(both.includes("free"), "both wait for each other");
    }),
  );
});
