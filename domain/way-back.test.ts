// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ATTEMPT, CELL_FLAGS, reasonCode } from "./attempt.ts";
import { countPage } from "./attempt-counts.ts";
import { MAX_TRIES, retire, withdraw } from "./attempt-step.ts";
import { judgeWave } from "./gate.ts";
import { takesRadius } from "./offer-budget.ts";
import { isGoingBack } from "./path-step.ts";
import { chooseRollback } from "./rollback.ts";
import { DEFAULT_SPEC } from "./rollout.ts";
import { Cells, DEADLINES, SOAK_MS } from "./testing/cells.ts";
import { beginWayBack, keepBack } from "./way-back.ts";

/** It has proven the release, or is as far as `phase`, when another one of its group fails. */
function goingBack(phase: "succeeded" | "downloading" | "verifying" = "succeeded"): Cells {
  const cells = new Cells();
  if (phase === "succeeded") {
    cells.bring("verifying");
    cells.evidence = "target";
    cells.after(10);
    cells.after(SOAK_MS);
    assert.equal(cells.state, "succeeded");
  } else if (phase === "verifying") cells.bring(phase);
  else cells.bring(phase);
  beginWayBack(cells.page, 0, cells.nowMs / 10);
  // What it is to run now is what it ran before.
  cells.evidence = "none";
  return cells;
}

function unproven(cells: Cells): number {
  const [counts] = countPage(cells.page, [{ start: 0, end: 1 }]);
  return counts?.unproven ?? -1;
}

const isNone = (): boolean => false;

describe("the way back", () => {
  test("begins pending, under a generation that is not drawn yet, and stays exposed", () => {
    const cells = goingBack();
    assert.deepEqual([cells.state, cells.reason, cells.generation], ["pending", "group-failed", 0]);
    assert.deepEqual([cells.flags, isGoingBack(cells.page.flags[0] ?? 0)], ["exposed", true]);
    assert.equal(cells.report("superseded", 9), "stale", "of the work before nobody asks any more");
  });

  test("of what is proven is unproven from the offer on, and takes a place in the radius", () => {
    const cells = goingBack("succeeded");
    assert.deepEqual(
      [unproven(cells), takesRadius(ATTEMPT.pending, cells.page.flags[0] ?? 0)],
      [0, true],
    );
    cells.lease(2);
    assert.equal(unproven(cells), 1);
    cells.giveBack(2, false);
    assert.deepEqual([cells.state, unproven(cells)], ["pending", 0], "it never left");
    cells.lease(2);
    cells.report("accepted", 1, { generation: 2 });
    assert.equal(unproven(cells), 1);
  });

  test("of one that is at work is offered as of now: it keeps its place until it has heard", () => {
    const cells = goingBack("downloading");
    assert.deepEqual([cells.state, cells.generation, unproven(cells)], ["offered", 0, 1]);
    assert.equal(cells.lease(2), "changed");
    cells.giveBack(2, false);
    assert.deepEqual([cells.state, cells.generation], ["offered", 2], "it never left");
    cells.report("rejected", 1, { generation: 2, reason: "expired" });
    assert.deepEqual([cells.state, cells.generation], ["offered", 0], "it goes on meanwhile");
    assert.equal(cells.lease(3), "changed");
    assert.deepEqual([cells.generation, cells.page.tries[0]], [3, 3]);
    cells.stopping = true;
    cells.giveBack(3, false);
    assert.deepEqual([cells.state, cells.reason], ["cancelled", "rollout-stopped"]);
  });

  test("of one that was given up is unproven all the time, and has its place already", () => {
    const cells = new Cells().bring("downloading");
    cells.after(DEADLINES.downloadMs);
    beginWayBack(cells.page, 0, cells.nowMs / 10);
    assert.deepEqual(
      [unproven(cells), takesRadius(ATTEMPT.pending, cells.page.flags[0] ?? 0)],
      [1, false],
    );
  });

  test("ends as rolled-back, without a soak, when it says so and shows it", () => {
    const cells = goingBack();
    cells.lease(2, 7);
    assert.equal(cells.page.previous[0], 1, "what it ran before the release, not before this");
    for (const [index, phase] of ["accepted", "installing"].entries()) {
      cells.report(phase as "accepted", index + 1, { generation: 2 });
    }
    cells.evidence = "target";
    cells.after(10);
    assert.equal(cells.state, "installing", "it may still be examining it");
    cells.report("installed", 3, { generation: 2 });
    cells.after(10);
    assert.deepEqual([cells.state, cells.reason], ["rolled-back", "group-failed"]);
    assert.deepEqual([cells.flags, unproven(cells)], ["exposed settled", 0]);
    assert.deepEqual(chooseRollback([{ page: cells.page, index: 0 }], isNone), []);
  });

  test("that goes wrong is a failure, and a rollback tries again", () => {
    const cells = goingBack();
    cells.lease(2);
    cells.report("accepted", 1, { generation: 2 });
    cells.report("failed", 2, { generation: 2, reason: "no-space" });
    assert.deepEqual([cells.state, cells.reason], ["failed", "no-space"]);
    assert.equal(cells.flags, "exposed failed");
    const chosen = chooseRollback([{ page: cells.page, index: 0 }], isNone);
    assert.deepEqual(chosen, [{ position: 0, previous: 1 }]);
  });

  test("has the deadlines of any attempt, and is over when it is shown after all", () => {
    const cells = goingBack();
    cells.lease(2);
    cells.report("accepted", 1, { generation: 2 });
    cells.report("installing", 2, { generation: 2 });
    cells.after(DEADLINES.installMs);
    assert.deepEqual([cells.state, cells.flags], ["lost", "exposed failed"]);
    cells.evidence = "target";
    cells.after(10);
    assert.deepEqual([cells.state, cells.flags], ["rolled-back", "exposed failed settled"]);
  });

  test("that was never offered proves nothing by what the device shows: it may go on", () => {
    const cells = goingBack("downloading");
    cells.page.state[0] = ATTEMPT.cancelled;
    cells.evidence = "target";
    cells.after(10);
    assert.deepEqual([cells.state, cells.flags], ["cancelled", "exposed"]);
    assert.equal(chooseRollback([{ page: cells.page, index: 0 }], isNone).length, 1);
    cells.rollingBack = true;
    cells.after(10);
    assert.deepEqual([cells.state, cells.flags], ["rolled-back", "exposed settled"]);
  });

  test("that is refused for its time is offered again, a bounded number of times", () => {
    const cells = goingBack();
    for (let generation = 2; generation < 20 && cells.state === "pending"; generation++) {
      cells.lease(generation);
      cells.report("rejected", 1, { generation, reason: "expired" });
      assert.equal(cells.page.tries[0], generation);
    }
    assert.deepEqual([cells.state, cells.page.tries[0]], ["rejected", MAX_TRIES]);
  });

  test("of one that failed itself keeps its reason", () => {
    const cells = new Cells().bring("downloading");
    cells.after(DEADLINES.downloadMs);
    beginWayBack(cells.page, 0, cells.nowMs / 10);
    cells.lease(2);
    cells.report("accepted", 1, { generation: 2 });
    cells.report("installed", 2, { generation: 2 });
    cells.evidence = "target";
    cells.after(10);
    assert.deepEqual([cells.state, cells.reason], ["rolled-back", "download-too-slow"]);
  });
});

test("who goes back is not withdrawn when its labels change: it has what it shall leave", () => {
  const cells = goingBack();
  assert.equal(withdraw(cells.page, 0, cells.nowMs / 10), false);
  assert.equal(cells.state, "pending");
  assert.equal(retire(cells.page, 0, cells.nowMs / 10), true);
  assert.deepEqual([cells.state, cells.reason], ["cancelled", "left-selection"]);
  assert.equal(countPage(cells.page, [{ start: 0, end: 1 }])[0]?.unproven, 0);
});

test("who has not begun is kept back, which is neutral", () => {
  const cells = new Cells();
  keepBack(cells.page, 0, 0);
  assert.deepEqual([cells.state, cells.reason, cells.flags], ["cancelled", "group-failed", ""]);
});

test("a gate counts who was put back as accepted, and neither as well nor as failed", () => {
  const cells = new Cells(3);
  const { page } = cells;
  const { exposed, failed, settled } = CELL_FLAGS;
  page.state.fill(ATTEMPT["rolled-back"]);
  page.flags.fill(exposed | settled);
  // The second one failed; the others went back for it.
  for (const cell of [0, 2]) {
    page.state[cell] = ATTEMPT.succeeded;
    beginWayBack(page, cell, 0);
    page.state[cell] = ATTEMPT["rolled-back"];
  }
  page.flags[1] = exposed | failed | settled;
  page.reason[1] = reasonCode("health-check-failed");
  const [counts] = countPage(page, [{ start: 0, end: 3 }]);
  assert(counts !== undefined);
  assert.deepEqual([counts.exposed, counts.failures, counts.putBack], [3, 1, 2]);
  const options = { openForMs: 0, reachMs: 1, unforgivenFailures: 3 };
  const verdict = judgeWave(counts, DEFAULT_SPEC.gate, options);
  assert.equal(
    verdict.kind === "stop" && verdict.why,
    "0 of 1 decided attempts succeeded; the gate wants 95 %",
  );
});
