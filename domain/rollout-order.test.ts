// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ATTEMPT, ATTEMPT_STATES } from "./attempt.ts";
import { findCycle, keepingOf, keepsWaiting } from "./rollout-order.ts";

describe("a rollout that goes first", () => {
  test("keeps whoever has not succeeded there, while it is open and after a bad end", () => {
    for (const state of ["planned", "running", "paused", "stopped", "rolled-back"] as const) {
      const keeping = keepingOf({ state, rollbackWanted: false });
      for (const attempt of ATTEMPT_STATES) {
        const waits = keepsWaiting(keeping, ATTEMPT[attempt]);
        assert.equal(waits, attempt !== "succeeded", `${state}, ${attempt}`);
      }
    }
  });

  test("keeps everybody while what it brought is taken back", () => {
    const keeping = keepingOf({ state: "rolling-back", rollbackWanted: true });
    assert.equal(keepsWaiting(keeping, ATTEMPT.succeeded), true);
    assert.equal(keepingOf({ state: "stopping", rollbackWanted: true }), "all");
    assert.equal(keepingOf({ state: "stopping", rollbackWanted: false }), "all-but-succeeded");
  });

  test("keeps nobody once it has ended well", () => {
    const keeping = keepingOf({ state: "succeeded", rollbackWanted: false });
    assert.equal(keepsWaiting(keeping, ATTEMPT.unreachable), false);
  });
});

test("a circle is found, and one that it only leads to is not this rollout's", () => {
  const after: { [name: string]: string[] } = { a: ["b", "c"], b: ["c"], c: ["a"], d: ["a"] };
  const afterOf = (name: string): string[] => after[name] ?? [];
  assert.deepEqual(findCycle("a", afterOf), ["a", "b", "c", "a"]);
  assert.equal(findCycle("d", afterOf), null);
  assert.deepEqual(
    findCycle("e", (name) => [name]),
    ["e", "e"],
  );
});
