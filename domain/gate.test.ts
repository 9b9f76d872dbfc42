// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ATTEMPT, CELL_FLAGS, isUnderWay, type AttemptState } from "./attempt.ts";
import {
  addCounts,
  countPage,
  emptyCounts,
  isUnproven,
  sumCounts,
  type AttemptCounts,
} from "./attempt-counts.ts";
import { CELLS_PER_PAGE, createAttemptPage } from "./attempt-page.ts";
import {
  countsRule,
  judgeWave,
  NOTHING_FORGIVEN,
  type StopVerdict,
  type WaveVerdict,
} from "./gate.ts";
import { DEFAULT_SPEC } from "./rollout.ts";

const { exposed, failed, settled, sent } = CELL_FLAGS;

describe("counts", () => {
  test("are taken wave by wave, over pages", () => {
    const first = createAttemptPage(0, CELLS_PER_PAGE);
    const second = createAttemptPage(1, 10);
    first.state[4_095] = ATTEMPT.succeeded;
    first.flags[4_095] = exposed;
    second.state[0] = ATTEMPT.lost;
    second.flags[0] = exposed | failed;
    second.state[9] = ATTEMPT.offered;
    const waves = [
      { start: 0, end: 4_090 },
      { start: 4_090, end: 4_100 },
      { start: 4_100, end: 4_106 },
    ];
    const [one, two, three] = [first, second]
      .map((page) => countPage(page, waves))
      .reduce((sum, page) => sum.map((counts, wave) => sumCounts([counts, page[wave]!])));
    assert.equal(one?.byState[ATTEMPT.pending], 4_090);
    assert.deepEqual(
      [two?.exposed, two?.failures, two?.unproven, two?.inFlight, two?.byState[ATTEMPT.pending]],
      [2, 1, 1, 0, 8],
    );
    assert.deepEqual([three?.exposed, three?.unproven, three?.inFlight], [0, 1, 1]);
  });

  test("add up", () => {
    const sum = emptyCounts();
    const part = { ...emptyCounts(), exposed: 2, failures: 1, unproven: 3, inFlight: 4 };
    part.byState[ATTEMPT.failed] = 5;
    addCounts(sum, part);
    addCounts(sum, part);
    assert.deepEqual([sum.exposed, sum.failures, sum.unproven, sum.inFlight], [4, 2, 6, 8]);
    assert.equal(sum.byState[ATTEMPT.failed], 10);
  });

  test("who is unproven", () => {
    const cases: [AttemptState, number, boolean][] = [
      ["pending", 0, false],
      ["offered", sent, true],
      ["rejected", sent, false],
      ["accepted", exposed, true],
      ["verifying", exposed, true],
      ["succeeded", exposed, false],
      ["failed", exposed | failed, true],
      ["failed", exposed | failed | settled, false],
      ["lost", exposed | failed, true],
      ["superseded", exposed, true],
      ["cancelled", 0, false],
    ];
    for (const [state, flags, expected] of cases) {
      assert.equal(isUnproven(ATTEMPT[state], flags), expected, `${state} ${flags}`);
    }
  });
});

describe("the counts rule", () => {
  test("stops at so many failures, and says of how many", () => {
    const rule = countsRule(3);
    const of = (failures: number, accepted: number): StopVerdict =>
      rule.verdict({ failures, accepted, forgiven: NOTHING_FORGIVEN });
    assert.deepEqual(of(2, 2), { stop: false });
    assert.deepEqual(of(3, 40), {
      stop: true,
      why: "3 of the 40 devices that accepted have failed; the limit is 3",
    });
  });
});

function countsOf(states: Partial<Record<AttemptState, number>>): AttemptCounts {
  const counts = emptyCounts();
  for (const [state, count] of Object.entries(states) as [AttemptState, number][]) {
    counts.byState[ATTEMPT[state]] = count;
    if (state === "offered" || isUnderWay(ATTEMPT[state])) counts.inFlight += count;
  }
  return counts;
}

function judge(
  states: Partial<Record<AttemptState, number>>,
  options: { openForMs?: number; minSample?: number; unforgivenFailures?: number } = {},
): WaveVerdict {
  const { minSample = 1, openForMs = 0, unforgivenFailures = 1_000 } = options;
  const policy = {
    ...DEFAULT_SPEC.gate,
    maxFailures: { count: 1 },
    minSuccessPercent: 90,
    minSample,
  };
  return judgeWave(countsOf(states), policy, { openForMs, reachMs: 1_000, unforgivenFailures });
}

describe("the gate of a wave", () => {
  const over = { openForMs: 1_000 };

  test("waits for what is under way, however long", () => {
    const waiting = { kind: "waiting", why: "2 attempts under way" };
    assert.deepEqual(judge({ installing: 1, verifying: 1, succeeded: 98 }, over), waiting);
  });

  test("waits for who is not reached yet, for the reach window", () => {
    const states = { pending: 1, offered: 1, succeeded: 98 };
    assert.deepEqual(judge(states), { kind: "waiting", why: "2 devices not reached yet" });
    assert.deepEqual(judge(states, over), { kind: "passed" });
  });

  test("passes at the wanted share of successes and stops below it", () => {
    assert.deepEqual(judge({ succeeded: 90, failed: 10 }), { kind: "passed" });
    assert.deepEqual(judge({ succeeded: 89, failed: 11 }), {
      kind: "stop",
      why: "89 of 100 decided attempts succeeded; the gate wants 90 %",
    });
  });

  test("counts every way to fail, and no neutral end", () => {
    const bad = { failed: 1, "rolled-back": 1, "timed-out": 1, lost: 1 };
    assert.equal(judge({ ...bad, succeeded: 35 }).kind, "stop");
    assert.equal(judge({ ...bad, succeeded: 36 }).kind, "passed");
    const neutral = { rejected: 9, superseded: 9, cancelled: 9, unreachable: 9 };
    assert.equal(judge({ ...neutral, succeeded: 1 }).kind, "passed");
    assert.equal(judge(neutral).kind, "passed");
  });

  test("is not diluted by devices that are dark", () => {
    assert.equal(judge({ pending: 97, failed: 3 }, over).kind, "stop");
  });

  test("with few decided neither stops nor passes on a bad share while others may come", () => {
    const sample = { ...over, minSample: 5 };
    assert.deepEqual(judge({ pending: 97, failed: 2, succeeded: 1 }, sample), {
      kind: "waiting",
      why: "1 of 3 decided attempts succeeded; the gate wants 90 %, judged from 5 on",
    });
    assert.equal(judge({ failed: 2, succeeded: 1 }, sample).kind, "stop", "nobody is left to come");
    assert.equal(
      judge({ pending: 97, succeeded: 1 }, sample).kind,
      "passed",
      "dark ones do not stall it",
    );
    assert.equal(judge({ pending: 1_000 }, sample).kind, "passed");
  });

  test("does not count failures that an operator has resumed over", () => {
    const states = { succeeded: 50, failed: 50 };
    assert.equal(judge(states, { unforgivenFailures: 0 }).kind, "passed");
    assert.equal(judge(states, { unforgivenFailures: 5 }).kind, "passed");
    assert.equal(judge(states, { unforgivenFailures: 6 }).kind, "stop");
  });
});
