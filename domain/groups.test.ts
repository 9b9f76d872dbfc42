// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ATTEMPT, CELL_FLAGS } from "./attempt.ts";
import {
  alignWaves,
  dutyOf,
  groupAt,
  groupsOf,
  judgeGroup,
  type GroupCells,
  type MemberSight,
} from "./groups.ts";
import { withWayBack } from "./path-step.ts";

const { pending, offered, accepted, cancelled, succeeded } = ATTEMPT;
const { exposed, failed } = CELL_FLAGS;

/** Positions 1, 2 and 3 are a group. */
function cellsOf(states: readonly number[] = [], flags: readonly number[] = []): GroupCells {
  return {
    positionCount: 5,
    isTogether: (position) => position === 2 || position === 3,
    stateOf: (position) => states[position] ?? pending,
    flagsOf: (position) => flags[position] ?? 0,
  };
}

const verdict = (cells: GroupCells, unreachable: number): string => {
  const judged = judgeGroup(cells, 1, (position) => position !== unreachable);
  return judged.kind === "offer" ? "offer" : `${judged.kind} ${judged.position}`;
};

describe("a group", () => {
  test("is its neighbours", () => {
    const groups = [0, 1, 2, 3, 4].map((position) => groupAt(cellsOf(), position));
    assert.deepEqual(
      groups.map(({ start, end }) => `${start}-${end}`),
      ["0-1", "1-4", "1-4", "1-4", "4-5"],
    );
  });

  test("begins when everybody who is still to come can be reached", () => {
    assert.deepEqual(
      [0, 3].map((unreachable) => verdict(cellsOf(), unreachable)),
      ["offer", "wait 3"],
    );
    assert.equal(verdict(cellsOf([pending, pending, pending, cancelled]), 3), "offer");
  });

  test("goes on once it has begun, whoever leaves meanwhile", () => {
    assert.equal(verdict(cellsOf([pending, pending, offered]), 3), "offer");
    assert.equal(verdict(cellsOf([pending, pending, succeeded], [0, 0, exposed]), 3), "offer");
  });

  test("is over when one of it has failed", () => {
    const flags = [0, 0, exposed, exposed | failed];
    assert.equal(verdict(cellsOf([pending, pending, accepted, accepted], flags), 4), "failed 3");
  });
});

describe("a group that has failed", () => {
  const THERE: MemberSight = { canGoBack: true, isReachable: true, runsRelease: false };
  const duty = (state: number, flags: number, sight: Partial<MemberSight> = {}): string =>
    dutyOf(state, flags, () => ({ ...THERE, ...sight }));

  test("is found once, whoever of it failed", () => {
    assert.deepEqual(
      [...groupsOf(cellsOf(), [0, 2, 3])],
      [
        { start: 0, end: 1 },
        { start: 1, end: 4 },
      ],
    );
  });

  test("keeps back who has not begun, and nobody who may have its offer", () => {
    assert.equal(duty(pending, 0), "keep-back");
    // It stands on a step of its path that it has proven.
    assert.equal(duty(pending, exposed | CELL_FLAGS.settled), "keep-back");
    assert.equal(duty(offered, CELL_FLAGS.sent), "none");
  });

  test("sends back who has it, at once; who is at it, when it can be told", () => {
    assert.equal(duty(succeeded, exposed, { isReachable: false }), "go-back");
    for (const state of [accepted, ATTEMPT.verifying, ATTEMPT["timed-out"]]) {
      assert.equal(duty(state, exposed), "go-back");
      assert.equal(duty(state, exposed, { isReachable: false }), "none");
    }
    assert.equal(duty(accepted, withWayBack(exposed, false)), "none", "it does already");
  });

  test("sends back who failed only while it shows the release", () => {
    for (const state of [ATTEMPT.failed, ATTEMPT["rolled-back"], ATTEMPT.lost]) {
      assert.equal(duty(state, exposed | failed), "none");
      assert.equal(duty(state, exposed | failed, { runsRelease: true }), "go-back");
      assert.equal(
        duty(state, exposed | failed | CELL_FLAGS.settled, { runsRelease: true }),
        "none",
      );
    }
    assert.equal(duty(ATTEMPT.superseded, exposed, { runsRelease: true }), "none");
  });

  test("leaves alone whom nobody can put back", () => {
    assert.equal(duty(succeeded, exposed, { canGoBack: false }), "none");
  });
});

describe("waves of groups", () => {
  test("end where a group does", () => {
    const waves = [1, 2, 3, 5].map((end, index) => ({ start: index === 0 ? 0 : end - 1, end }));
    assert.deepEqual(
      alignWaves(waves, (position) => cellsOf().isTogether(position)),
      [
        { start: 0, end: 1 },
        { start: 1, end: 4 },
        { start: 4, end: 5 },
      ],
    );
  });
});
