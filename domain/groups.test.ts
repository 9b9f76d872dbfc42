// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ATTEMPT, CELL_FLAGS } from "./attempt.ts";
import { alignWaves, groupAt, judgeGroup, type GroupCells } from "./groups.ts";

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
