// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Cells, DEADLINES, OFFER_LIFETIME_MS, SOAK_MS } from "./testing/cells.ts";

describe("silence is a failure, when its phase is over", () => {
  const phases = [
    { phase: "accepted", afterMs: DEADLINES.downloadMs, end: "timed-out: download-too-slow" },
    { phase: "downloading", afterMs: DEADLINES.downloadMs, end: "timed-out: download-too-slow" },
    { phase: "downloaded", afterMs: DEADLINES.installMs, end: "timed-out: install-too-slow" },
    { phase: "waiting", afterMs: DEADLINES.waitingMs, end: "timed-out: busy-too-long" },
    { phase: "installing", afterMs: DEADLINES.installMs, end: "lost: silent-while-installing" },
  ] as const;
  for (const { phase, afterMs, end } of phases) {
    test(`${phase} → ${end}`, () => {
      const cells = new Cells().bring(phase);
      assert.equal(cells.after(afterMs - 10), false);
      assert.equal(cells.state, phase);
      assert.equal(cells.after(10), true);
      assert.deepEqual([`${cells.state}: ${cells.reason}`, cells.flags], [end, "exposed failed"]);
    });
  }

  test("verifying without evidence → lost: no-evidence", () => {
    const cells = new Cells().bring("verifying");
    cells.after(DEADLINES.verifyMs - 10);
    assert.equal(cells.state, "verifying");
    cells.after(10);
    assert.deepEqual([cells.state, cells.reason], ["lost", "no-evidence"]);
  });

  test("a new phase has its own deadline", () => {
    const cells = new Cells().bring("downloading");
    cells.after(DEADLINES.downloadMs - 10);
    cells.report("installing", 5);
    cells.after(DEADLINES.installMs - 10);
    assert.equal(cells.state, "installing");
  });

  test("pending attempts wait without end", () => {
    const cells = new Cells();
    assert.equal(cells.after(1_000_000_000), false);
    assert.equal(cells.state, "pending");
  });
});

describe("an offer that nobody answers", () => {
  test("is free again after twice its life, when its device is there", () => {
    const cells = new Cells();
    cells.lease(1);
    cells.after(2 * OFFER_LIFETIME_MS - 10);
    assert.equal(cells.state, "offered");
    cells.after(10);
    assert.deepEqual([cells.state, cells.generation], ["pending", 0]);
    cells.report("accepted", 1);
    assert.equal(cells.state, "pending", "its generation is dead");
  });

  test("is awaited anew when its gateway was cut off: the answer may wait there", () => {
    const cells = new Cells();
    cells.lease(1);
    cells.evidence = "unknown";
    cells.after(100 * OFFER_LIFETIME_MS);
    cells.evidence = "previous";
    cells.after(2 * OFFER_LIFETIME_MS - 10);
    assert.equal(cells.report("accepted", 1), "changed");
  });

  test("keeps its place for as long as the device is away: it may have accepted", () => {
    const cells = new Cells();
    cells.lease(1);
    cells.isOnline = false;
    cells.after(100 * OFFER_LIFETIME_MS);
    assert.equal(cells.state, "offered");
  });

  test("is cancelled when the rollout is stopping", () => {
    const cells = new Cells();
    cells.lease(1);
    cells.stopping = true;
    cells.after(2 * OFFER_LIFETIME_MS);
    assert.equal(cells.state, "cancelled");
  });
});

describe("the soak", () => {
  test("begins with the evidence and ends in success", () => {
    const cells = new Cells().bring("verifying");
    cells.evidence = "target";
    cells.after(1_000);
    cells.after(SOAK_MS - 10);
    assert.equal(cells.state, "verifying");
    cells.after(10);
    assert.deepEqual([cells.state, cells.flags], ["succeeded", "exposed"]);
  });

  test("begins anew when the evidence was gone", () => {
    const cells = new Cells().bring("verifying");
    cells.evidence = "target";
    cells.after(0);
    cells.after(SOAK_MS - 10);
    cells.evidence = "none";
    cells.after(10);
    cells.evidence = "target";
    cells.after(0);
    cells.after(SOAK_MS - 10);
    assert.equal(cells.state, "verifying");
    cells.after(10);
    assert.equal(cells.state, "succeeded");
  });

  test("may be longer than the deadline of the evidence, also when it begins anew", () => {
    const cells = new Cells().bring("verifying");
    // Evidence for 5 s of every 10: the soak of 10 s never ends, and half of the time is silence.
    for (let spentMs = 0; spentMs < 2 * DEADLINES.verifyMs - 10_000; spentMs += 10_000) {
      cells.evidence = "target";
      cells.after(0);
      cells.after(5_000);
      cells.evidence = "none";
      cells.after(0);
      cells.after(5_000);
    }
    assert.equal(cells.state, "verifying");
    cells.after(10_000);
    assert.deepEqual([cells.state, cells.reason], ["lost", "no-evidence"]);
  });
});

describe("a device behind a gateway that is cut off", () => {
  test("stands still in every phase: its deadline goes on when it is heard of", () => {
    for (const phase of ["accepted", "downloaded", "waiting", "installing"] as const) {
      const cells = new Cells().bring(phase);
      cells.after(50_000);
      cells.evidence = "unknown";
      for (let hour = 0; hour < 24; hour++) cells.after(3_600_000);
      assert.equal(cells.state, phase);
      cells.evidence = "none";
      cells.after(9_990);
      assert.equal(cells.state, phase);
      cells.after(10);
      assert.match(cells.state, /^(lost|timed-out)$/);
    }
  });

  test("keeps the soak that it has", () => {
    const cells = new Cells().bring("verifying");
    cells.evidence = "target";
    cells.after(0);
    cells.after(6_000);
    cells.evidence = "unknown";
    cells.after(3_600_000);
    assert.equal(cells.state, "verifying");
    cells.evidence = "target";
    cells.after(3_990);
    assert.equal(cells.state, "verifying");
    cells.after(10);
    assert.equal(cells.state, "succeeded");
  });
});

describe("a lost device", () => {
  test("that comes back on the release and says so has to prove itself like any other", () => {
    const cells = new Cells().bring("installing");
    cells.after(DEADLINES.installMs);
    cells.evidence = "target";
    cells.after(1_000);
    assert.deepEqual([cells.state, cells.flags], ["verifying", "exposed failed"]);
    cells.report("installed", 6);
    cells.after(1_000);
    cells.after(SOAK_MS);
    assert.deepEqual([cells.state, cells.flags], ["succeeded", "exposed failed"]);
  });

  test("that shows the release and says nothing is proven after what an install may take", () => {
    const cells = new Cells().bring("installing");
    cells.after(DEADLINES.installMs);
    cells.evidence = "target";
    cells.after(1_000);
    cells.after(1_000);
    cells.after(DEADLINES.installMs - 10);
    assert.equal(cells.state, "verifying", "it may be examining it still, and put it back");
    cells.after(10);
    assert.deepEqual([cells.state, cells.flags], ["succeeded", "exposed failed"]);
  });

  test("back on what it ran before and silent for as long as an install takes is settled", () => {
    const cells = new Cells().bring("installing");
    cells.after(DEADLINES.installMs);
    cells.evidence = "previous";
    cells.after(1_000);
    cells.after(DEADLINES.installMs - 10);
    assert.equal(cells.flags, "exposed failed", "after a power cut an agent goes on");
    cells.after(10);
    assert.deepEqual([cells.state, cells.flags], ["lost", "exposed failed settled"]);
  });

  test("that comes and goes is not back", () => {
    const cells = new Cells().bring("installing");
    cells.after(DEADLINES.installMs);
    for (let time = 0; time < 5; time++) {
      cells.evidence = "previous";
      cells.after(1_000);
      cells.after(DEADLINES.installMs - 1_000);
      cells.evidence = "none";
      cells.after(1_000);
    }
    assert.equal(cells.flags, "exposed failed");
  });

  test("that had said it was done is settled as soon as it is back", () => {
    const cells = new Cells().bring("verifying");
    cells.after(DEADLINES.verifyMs);
    assert.equal(cells.state, "lost");
    cells.evidence = "previous";
    cells.after(1_000);
    assert.equal(cells.flags, "exposed failed settled");
  });

  test("whose download was only slow is never settled by what it runs: it never left that", () => {
    const cells = new Cells().bring("downloading");
    cells.evidence = "previous";
    cells.after(DEADLINES.downloadMs);
    cells.after(100 * DEADLINES.installMs);
    assert.deepEqual([cells.state, cells.flags], ["timed-out", "exposed failed"]);
  });
});

describe("evidence against the report", () => {
  test("a liar has failed when the time for evidence is over, and is where it was", () => {
    const cells = new Cells().bring("verifying");
    cells.evidence = "previous";
    cells.after(DEADLINES.verifyMs - 10);
    assert.equal(cells.state, "verifying", "its heartbeat may be older than its report");
    cells.after(10);
    assert.deepEqual([cells.state, cells.reason], ["failed", "evidence-contradicts"]);
    assert.equal(cells.flags, "exposed failed settled");
  });

  test("a device that ran the release and falls back by itself was rolled back", () => {
    const cells = new Cells().bring("verifying");
    cells.evidence = "target";
    cells.after(1_000);
    cells.evidence = "previous";
    cells.after(1_000);
    assert.deepEqual([cells.state, cells.reason], ["rolled-back", "evidence-contradicts"]);
    assert.equal(cells.flags, "exposed failed settled");
  });

  test("a failure is settled when the device is seen on what it ran before", () => {
    for (const end of ["failed", "rolled-back"] as const) {
      const cells = new Cells().bring("installing");
      cells.report(end, 6);
      assert.equal(cells.flags, "exposed failed");
      cells.evidence = "previous";
      cells.after(1_000);
      assert.deepEqual([cells.state, cells.flags], [end, "exposed failed settled"]);
      assert.equal(cells.after(1_000), false, "once");
    }
  });
});

describe("while a rollback runs", () => {
  test("one that had succeeded and is back counts as rolled back", () => {
    const cells = new Cells().bring("verifying");
    cells.evidence = "target";
    cells.after(0);
    cells.after(SOAK_MS);
    cells.evidence = "previous";
    assert.equal(cells.after(1_000), false, "without a rollback it is not looked at any more");
    cells.rollingBack = true;
    cells.after(1_000);
    assert.deepEqual([cells.state, cells.flags], ["rolled-back", "exposed settled"]);
  });

  test("one that is under way on what it ran before is not back: it has not begun", () => {
    const cells = new Cells().bring("downloading");
    cells.rollingBack = true;
    cells.evidence = "previous";
    cells.after(1_000);
    assert.equal(cells.state, "downloading");
  });

  test("one that failed stays failed, and is settled", () => {
    const cells = new Cells().bring("installing");
    cells.report("failed", 6);
    cells.rollingBack = true;
    cells.evidence = "previous";
    cells.after(1_000);
    assert.deepEqual([cells.state, cells.flags], ["failed", "exposed failed settled"]);
  });

  test("one that was lost is not taken up on evidence of the bad release", () => {
    const cells = new Cells().bring("installing");
    cells.after(DEADLINES.installMs);
    cells.rollingBack = true;
    cells.evidence = "target";
    cells.after(1_000);
    assert.equal(cells.state, "lost");
  });
});
