// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { encodeAttemptPage } from "./attempt-page.ts";
import { MAX_TRIES, type ReportedPhase } from "./attempt-step.ts";
import { Cells } from "./testing/cells.ts";

describe("a lease", () => {
  test("makes a pending attempt an offered one, under its generation", () => {
    const cells = new Cells();
    assert.equal(cells.lease(7, 3), "changed");
    assert.deepEqual([cells.state, cells.generation], ["offered", 7]);
    assert.deepEqual([cells.page.previous[0], cells.page.tries[0]], [3, 1]);
  });

  test("is repeated under the same generation only", () => {
    const cells = new Cells();
    cells.lease(7);
    cells.nowMs = 5_000;
    assert.equal(cells.lease(7), "changed");
    assert.equal(cells.page.enteredAt[0], 500);
    assert.equal(cells.lease(8), "duplicate");
    assert.deepEqual([cells.generation, cells.page.tries[0]], [7, 1]);
  });

  test("changes nothing once the device has answered", () => {
    const cells = new Cells().bring("downloading");
    assert.equal(cells.lease(1), "duplicate");
    assert.equal(cells.lease(2), "duplicate");
    assert.equal(cells.state, "downloading");
  });

  test("notes what the device runs at its last offer, until it accepts", () => {
    const cells = new Cells();
    cells.lease(1, 3);
    cells.giveBack(1, false);
    cells.lease(1, 4);
    assert.equal(cells.page.previous[0], 4, "other work moved it in between");
    cells.report("accepted", 1);
    cells.report("rejected", 2, { reason: "withdrawn" });
    cells.lease(2, 9);
    assert.equal(
      cells.page.previous[0],
      4,
      "what it runs after it accepted may be the new release",
    );
  });
});

describe("a lease that comes back", () => {
  test("unsent makes the attempt pending; its generation is used again", () => {
    const cells = new Cells();
    cells.lease(7);
    assert.equal(cells.giveBack(7, false), "changed");
    assert.deepEqual([cells.state, cells.generation], ["pending", 7]);
    cells.lease(7);
    assert.equal(cells.page.tries[0], 1);
  });

  test("sent stays offered: the device may have accepted", () => {
    const cells = new Cells();
    cells.lease(7);
    assert.equal(cells.giveBack(7, true), "duplicate");
    assert.equal(cells.state, "offered");
  });

  test("unsent stays offered when an earlier lease of the generation never came back", () => {
    const cells = new Cells();
    cells.lease(7);
    cells.lease(7); // its gateway was gone, the device is at another one
    assert.equal(cells.giveBack(7, false), "duplicate");
    assert.equal(cells.state, "offered");
  });

  test("of another generation, or after an answer, changes nothing", () => {
    const cells = new Cells().bring("accepted");
    assert.equal(cells.giveBack(1, false), "duplicate");
    assert.equal(cells.giveBack(2, false), "stale");
    assert.equal(cells.state, "accepted");
  });

  test("unsent is cancelled when the rollout is stopping", () => {
    const cells = new Cells();
    cells.lease(7);
    cells.stopping = true;
    cells.giveBack(7, false);
    assert.deepEqual([cells.state, cells.reason], ["cancelled", "rollout-stopped"]);
  });
});

describe("a report", () => {
  const states: { phase: ReportedPhase; state: string; flags: string }[] = [
    { phase: "accepted", state: "accepted", flags: "exposed" },
    { phase: "downloading", state: "downloading", flags: "exposed" },
    { phase: "downloaded", state: "downloaded", flags: "exposed" },
    { phase: "waiting", state: "waiting", flags: "exposed" },
    { phase: "installing", state: "installing", flags: "exposed" },
    { phase: "installed", state: "verifying", flags: "exposed" },
    { phase: "failed", state: "failed", flags: "exposed failed" },
    { phase: "rolled-back", state: "rolled-back", flags: "exposed failed" },
    { phase: "superseded", state: "superseded", flags: "exposed" },
    { phase: "rejected", state: "rejected", flags: "" },
  ];
  for (const { phase, state, flags } of states) {
    test(`${phase} → ${state}${flags === "" ? "" : `, ${flags}`}`, () => {
      const cells = new Cells();
      cells.lease(1);
      assert.equal(cells.report(phase, 1, { reason: "does-not-fit" }), "changed");
      assert.deepEqual([cells.state, cells.flags], [state, flags]);
      assert.equal(cells.reason, "does-not-fit");
    });
  }

  test("of an older or a newer generation is stale", () => {
    const cells = new Cells();
    cells.lease(2);
    for (const generation of [1, 3]) {
      assert.equal(cells.report("failed", 9, { generation }), "stale");
    }
    assert.deepEqual([cells.state, cells.flags], ["offered", ""]);
  });

  test("that is repeated, or overtaken by a later one, is a duplicate", () => {
    const cells = new Cells().bring("downloaded");
    assert.equal(cells.report("downloaded", 3), "duplicate");
    assert.equal(cells.report("accepted", 1), "duplicate");
    assert.equal(cells.state, "downloaded");
  });

  test("with a reason that this version does not know says internal", () => {
    const cells = new Cells().bring("installing");
    cells.report("failed", 6, { reason: "cosmic-rays" });
    assert.equal(cells.reason, "internal");
  });

  test("changes nothing after the device has said how it ended", () => {
    for (const end of ["failed", "rolled-back", "superseded"] as const) {
      const cells = new Cells().bring("installing");
      cells.report(end, 6);
      cells.report("installed", 7);
      assert.equal(cells.state, end);
    }
  });

  test("of one that was given up takes it up again; the failure stays counted", () => {
    const cells = new Cells().bring("installing");
    cells.after(60_000);
    assert.equal(cells.state, "lost");
    cells.report("installed", 6);
    assert.deepEqual([cells.state, cells.flags], ["verifying", "exposed failed"]);
  });

  test("of one that was found back on what it ran before makes it unproven again", () => {
    const cells = new Cells().bring("installing");
    cells.after(60_000);
    cells.evidence = "previous";
    cells.after(1_000);
    cells.after(60_000);
    assert.equal(cells.flags, "exposed failed settled");
    cells.report("installed", 6);
    assert.deepEqual([cells.state, cells.flags], ["verifying", "exposed failed"]);
    cells.evidence = "target";
    cells.after(1_000);
    cells.after(10_000);
    assert.equal(cells.state, "succeeded", "and it is swept like any other");
  });
});

describe("a refusal", () => {
  for (const reason of ["expired", "withdrawn"]) {
    test(`as ${reason} is tried again under a new generation, ${MAX_TRIES} times`, () => {
      const cells = new Cells();
      for (let generation = 1; generation < MAX_TRIES; generation++) {
        cells.lease(generation);
        cells.report("rejected", 1, { generation, reason });
        assert.deepEqual([cells.state, cells.generation, cells.reason], ["pending", 0, reason]);
      }
      cells.lease(MAX_TRIES);
      cells.report("rejected", 1, { generation: MAX_TRIES, reason });
      assert.deepEqual([cells.state, cells.reason], ["rejected", reason]);
    });
  }

  test("for an older generation means that newer work is there", () => {
    const cells = new Cells();
    cells.lease(1);
    cells.report("rejected", 1, { reason: "older-generation" });
    assert.deepEqual([cells.state, cells.flags], ["superseded", ""]);
  });

  test("as expired while the rollout is stopping cancels", () => {
    const cells = new Cells();
    cells.lease(1);
    cells.stopping = true;
    cells.report("rejected", 1, { reason: "expired" });
    assert.equal(cells.state, "cancelled");
  });
});

/** What a device may say of one generation: any phases, and at most one end, which is the last. */
const messages = fc
  .record({
    phases: fc.array(
      fc.constantFrom<ReportedPhase>(
        "accepted",
        "downloading",
        "downloaded",
        "waiting",
        "installing",
        "installed",
      ),
      { maxLength: 6 },
    ),
    end: fc.option(fc.constantFrom<ReportedPhase>("failed", "rolled-back", "superseded")),
  })
  .map(({ phases, end }) => (end === null ? phases : [...phases, end]))
  .map((phases) => phases.map((phase, index) => ({ phase, sequence: index + 1 })));

describe("any messages of a device", () => {
  test("in any order, and any of them repeated, end in the same state", () => {
    const told = messages.chain((sent) =>
      fc.record({
        sent: fc.constant(sent),
        heard: fc
          .tuple(
            fc.shuffledSubarray(sent, { minLength: sent.length }),
            fc.array(fc.nat({ max: Math.max(0, sent.length - 1) }), { maxLength: 6 }),
          )
          .map(([order, again]) => [...order, ...again.flatMap((index) => sent[index] ?? [])]),
      }),
    );
    fc.assert(
      fc.property(told, ({ sent, heard }) => {
        const inOrder = new Cells();
        const shuffled = new Cells();
        for (const cells of [inOrder, shuffled]) cells.lease(1);
        for (const { phase, sequence } of sent) inOrder.report(phase, sequence);
        for (const { phase, sequence } of heard) shuffled.report(phase, sequence);
        assert.deepEqual(encodeAttemptPage(shuffled.page), encodeAttemptPage(inOrder.page));
      }),
      { numRuns: 1_000 },
    );
  });

  test("told once more from the beginning change nothing", () => {
    const anything = fc.array(
      fc.record({
        phase: fc.constantFrom<ReportedPhase>(
          "accepted",
          "installing",
          "installed",
          "failed",
          "rolled-back",
          "rejected",
          "superseded",
        ),
        sequence: fc.integer({ min: 1, max: 8 }),
        generation: fc.integer({ min: 1, max: 3 }),
      }),
    );
    fc.assert(
      fc.property(anything, (reports) => {
        const cells = new Cells();
        cells.lease(2);
        const tell = (): void => {
          for (const { phase, sequence, generation } of reports) {
            cells.report(phase, sequence, { generation });
          }
        };
        tell();
        const once = encodeAttemptPage(cells.page);
        tell();
        assert.deepEqual(encodeAttemptPage(cells.page), once);
      }),
      { numRuns: 1_000 },
    );
  });
});
