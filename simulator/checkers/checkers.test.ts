// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkAll, CHECKERS } from "./checkers.ts";
import type { History, RolloutHistory } from "./history.ts";
import { goodRun, NEW, OLD, SampleRun } from "./testing/sample-run.ts";

/** Only this invariant is violated, and every story has these words. */
function assertViolates(history: History, invariant: string, ...words: RegExp[]): void {
  const violations = checkAll(history);
  assert.ok(violations.length > 0, `${invariant} is violated`);
  for (const violation of violations) {
    assert.equal(violation.invariant, invariant, violation.story);
    for (const word of words) assert.match(violation.story, word);
  }
}

/** The good run, with its rollout changed. */
function withRollout(change: (rollout: RolloutHistory) => Partial<RolloutHistory>): History {
  const { history } = goodRun();
  const rollouts = history.rollouts.map((rollout) => ({ ...rollout, ...change(rollout) }));
  return { ...history, rollouts };
}

describe("a history", () => {
  it("violates nothing when everything went as it should", () => {
    assert.deepEqual(checkAll(goodRun().history), []);
  });

  it("violates nothing when a bad release was put back", () => {
    const run = badRun({ putBackOn: OLD });
    assert.deepEqual(checkAll(run.history), []);
  });

  it("is judged by a checker under each name", () => {
    for (const [name, check] of Object.entries(CHECKERS)) {
      assert.deepEqual(check(goodRun().history), [], name);
    }
  });
});

describe("in flight and blast radius", () => {
  it("are the most devices that had accepted and said no last word", () => {
    const run = new SampleRun()
      .accepts("one")
      .accepts("two")
      .says("one", "failed")
      .says("two", "failed");
    run.ends([
      ["one", "failed"],
      ["two", "failed"],
    ]);
    assert.match(CHECKERS["in-flight"]?.(run.history)[0]?.story ?? "", /2 devices were at work/);
    assert.equal(CHECKERS["blast-radius"]?.(run.history).length, 1);
  });

  it("count a device as unproven until its soak is over, as at work until it has installed", () => {
    const run = new SampleRun().installs("one").installs("two");
    run.ends([
      ["one", "succeeded"],
      ["two", "succeeded"],
    ]);
    assert.deepEqual(CHECKERS["in-flight"]?.(run.history), []);
    assert.match(CHECKERS["blast-radius"]?.(run.history)[0]?.story ?? "", /2 devices were unprov/);
  });

  it("include what the center said on the way", () => {
    const run = goodRun();
    run.observations.push({ rollout: 1, byState: { offered: 2 }, unproven: 2 });
    assertViolates(run.history, "blast-radius", /showed 2 unproven devices; its plan allows 1/);
    assertViolates(
      withRollout(() => ({ maxUnproven: 2 })),
      "blast-radius",
      /2 unproven/,
    );
  });

  it("do not count a device that may have been given up", () => {
    const run = new SampleRun().accepts("one").passes(60_000).installs("two");
    run.ends([
      ["one", "lost"],
      ["two", "succeeded"],
    ]);
    assert.deepEqual(CHECKERS["blast-radius"]?.(run.history), []);
  });
});

describe("generations and activations", () => {
  it("only ever grow on a device", () => {
    const run = new SampleRun().accepts("one", { generation: 2 }).accepts("one");
    assertViolates(run.history, "generations", /generation 1 .* after generation 2/);
  });

  it("happen once", () => {
    const run = new SampleRun().accepts("one").switches("one", "activate", NEW);
    run.switches("one", "restore", OLD).switches("one", "activate", NEW);
    assertViolates(run.history, "activations", /one activated generation 1 .* again/);
  });
});

describe("endings", () => {
  it("are one for every planned device", () => {
    const missing = withRollout(({ attempts }) => ({ attempts: attempts.slice(1) }));
    assertViolates(missing, "endings");
    const twice = withRollout(({ attempts }) => ({
      attempts: attempts.map((attempt) => ({ ...attempt, position: 0 })),
    }));
    assertViolates(twice, "endings", /position 0 more than once/);
  });

  it("are terminal, of rollouts that have ended", () => {
    const run = new SampleRun().accepts("one");
    run.ends([["one", "accepted"]], { state: "running", waveCount: 0, waveTotal: 1 });
    const stories = checkAll(run.history).map(({ story }) => story);
    assert.match(stories.join("\n"), /has not ended.*\n.*left one without an end: it is accepted/);
  });

  it("sum to the plan, at the end and on the way", () => {
    assertViolates(
      withRollout(() => ({ byState: { succeeded: 1 } })),
      "endings",
    );
    const run = goodRun();
    run.observations.push({ rollout: 1, byState: { pending: 3 }, unproven: 0 });
    assertViolates(run.history, "endings", /showed on the way 3 devices; its plan has 2/);
  });
});

describe("reports", () => {
  const endAs = (state: "lost" | "succeeded", generation = 1): History =>
    withRollout(({ attempts }) => {
      const changed = attempts.map((attempt) =>
        attempt.device === "two" ? { ...attempt, state, generation } : attempt,
      );
      const byState = state === "lost" ? { succeeded: 1, lost: 1 } : { succeeded: 2 };
      return { attempts: changed, byState };
    });

  it("that a device was told are safe are not lost", () => {
    assertViolates(endAs("lost"), "reports", /two said installed .* is safe; its attempt .* lost/);
  });

  it("are filed under their own generation", () => {
    const violations = CHECKERS["reports"]?.(endAs("succeeded", 2)) ?? [];
    assert.match(violations[0]?.story ?? "", /ended as succeeded under generation 2/);
  });

  it("that nobody made end nothing", () => {
    const run = new SampleRun().accepts("one").switches("one", "activate", NEW);
    run.ends([["one", "succeeded"]], { waveCount: 0, state: "running" });
    const violations = CHECKERS["reports"]?.(run.history) ?? [];
    assert.match(violations[0]?.story ?? "", /under that generation the device said nothing/);
  });

  it("are not made up for by a failure that no device had", () => {
    assertViolates(
      withRollout(() => ({ failures: 1 })),
      "reports",
      /counts 1 failures; no more than 0 of its devices can have failed/,
    );
  });

  it("that the center may not have are owed nothing", () => {
    const run = new SampleRun().accepts("one").says("one", "installed", { unheard: true });
    run.ends([["one", "lost"]]);
    assert.deepEqual(CHECKERS["reports"]?.(run.history), []);
  });
});

describe("evidence", () => {
  it("is what the device really runs", () => {
    const run = new SampleRun().accepts("one").switches("one", "lie", OLD).says("one", "installed");
    run.ends([["one", "succeeded"]]);
    const violations = CHECKERS["evidence"]?.(run.history) ?? [];
    assert.match(
      violations[0]?.story ?? "",
      /counts one as succeeded; it runs aaaaaaaaaaaa, not b/,
    );
  });
});

describe("waves", () => {
  it("are opened before any of their devices accepts", () => {
    const run = new SampleRun().audited("open-wave", "wave 1").accepts("two");
    run.ends([
      ["one", "cancelled"],
      ["two", "lost"],
    ]);
    const violations = CHECKERS["waves"]?.(run.history) ?? [];
    assert.match(violations[0]?.story ?? "", /two accepted .*; its wave 2 was never opened/);
  });

  it("are opened after the gate of the one before", () => {
    const run = new SampleRun().audited("open-wave", "wave 1").installs("one").passes(500);
    run.audited("open-wave", "wave 2").installs("two");
    run.ends([
      ["one", "succeeded"],
      ["two", "succeeded"],
    ]);
    const violations = CHECKERS["waves"]?.(run.history) ?? [];
    assert.match(
      violations[0]?.story ?? "",
      /ms after wave 1, when one was at work or in its soak/,
    );
  });

  it("wait for those that were not reached, until the reach window is over", () => {
    const opened = (waitMs: number): History => {
      const run = new SampleRun().audited("open-wave", "wave 1").passes(waitMs);
      run.audited("open-wave", "wave 2").installs("two");
      run.ends([
        ["one", "unreachable"],
        ["two", "succeeded"],
      ]);
      return run.history;
    };
    assert.match(CHECKERS["waves"]?.(opened(5_000))[0]?.story ?? "", /one .*had not been reached/);
    assert.deepEqual(CHECKERS["waves"]?.(opened(10_000)), []);
  });
});

describe("stops", () => {
  it("let nobody accept longer than an offer lives, until they are resumed", () => {
    const late = new SampleRun().audited("withhold-offers").passes(5_000).accepts("one");
    late.ends([["one", "superseded"]]);
    assert.match(CHECKERS["stops"]?.(late.history)[0]?.story ?? "", /one accepted .* withheld/);
    const resumed = new SampleRun().audited("withhold-offers").passes(5_000).audited("resume");
    resumed.accepts("one").ends([["one", "succeeded"]]);
    assert.deepEqual(CHECKERS["stops"]?.(resumed.history), []);
  });

  it("let nobody accept what it has taken the withdrawal of", () => {
    const run = new SampleRun().takesWithdrawal("one").accepts("one");
    const [violation] = CHECKERS["stops"]?.(run.ends([["one", "succeeded"]]).history) ?? [];
    assert.match(violation?.story ?? "", /one accepted .* had taken its withdrawal/);
    const other = new SampleRun().takesWithdrawal("two").accepts("one");
    assert.deepEqual(CHECKERS["stops"]?.(other.ends([["one", "succeeded"]]).history), []);
  });
});

describe("rollbacks", () => {
  it("put each device on what it ran itself", () => {
    const run = badRun({ putBackOn: "c".repeat(64) });
    assertViolates(run.history, "rollbacks", /two ran aaaaaaaaaaaa before .* put on cccccccccccc/);
  });
});

describe("the audit log", () => {
  it("is a whole chain", () => {
    const run = goodRun();
    run.audit[2] = { ...(run.audit[2] ?? assert.fail("an entry")), actor: "operator:mallory" };
    assertViolates(run.history, "audit", /entry 3 of the audit log is changed/);
  });

  it("tells each transition once", () => {
    const run = goodRun();
    run.audited("end", "", { state: "succeeded" });
    assertViolates(run.history, "audit", /says rollout.end of .*, which was ended/);
  });

  it("tells every transition", () => {
    assertViolates(
      withRollout(() => ({ waveCount: 1 })),
      "audit",
      /opens 2 waves/,
    );
    assertViolates(
      withRollout(() => ({ state: "stopped" })),
      "audit",
      /tells the end succeeded of .*, which is stopped/,
    );
  });

  it("opens waves in order", () => {
    const run = new SampleRun().audited("create").audited("plan").audited("start");
    run.audited("open-wave", "wave 2").audited("end", "", { state: "succeeded" });
    run.ends([["one", "unreachable"]], { waveCount: 1 });
    assertViolates(run.history, "audit", /opens wave 2 of .*; wave 1 is next/);
  });
});

/** Both devices ran OLD; `one` failed by itself, `two` is put back by a rollback. */
function badRun(options: { putBackOn: string }): SampleRun {
  const back = options.putBackOn;
  const run = goodRunOf(OLD);
  run
    .audited("create", "", {}, "bad")
    .audited("plan", "", {}, "bad")
    .audited("start", "", {}, "bad");
  run.audited("open-wave", "wave 1", {}, "bad");
  const bad = { rollout: 3 };
  run
    .accepts("one", bad)
    .switches("one", "activate", NEW, bad)
    .switches("one", "restore", OLD, bad);
  run.says("one", "rolled-back", bad).installs("two", bad);
  run.audited("withhold-offers", "", {}, "bad");
  run.audited("plan", "", {}, "bad-rollback").audited("start", "", {}, "bad-rollback");
  run.audited("open-wave", "wave 1", {}, "bad-rollback");
  run.installs("two", { rollout: 4, target: back });
  run.audited("end", "", { state: "succeeded" }, "bad-rollback");
  run.audited("end", "", { state: "rolled-back" }, "bad");
  const limits = { maxInFlight: 2, blastRadius: 2, waveTotal: 1, waveCount: 1 };
  run.ends(
    [
      ["one", "rolled-back"],
      ["two", "rolled-back"],
    ],
    { number: 3, name: "bad", state: "rolled-back", child: "bad-rollback", ...limits },
  );
  const child = { number: 4, name: "bad-rollback", parent: "bad", soakMs: 0, ...limits };
  return run.ends([["two", "succeeded"]], child);
}

/** The good run with another release. */
function goodRunOf(target: string): SampleRun {
  const run = new SampleRun().audited("create").audited("plan").audited("start");
  run.audited("open-wave", "wave 1").installs("one", { target }).passes(1_000);
  run.audited("open-wave", "wave 2").installs("two", { target }).passes(1_000);
  return run.audited("end", "", { state: "succeeded" }).ends([
    ["one", "succeeded"],
    ["two", "succeeded"],
  ]);
}
