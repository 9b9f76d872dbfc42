// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ATTEMPT, isUnderWay, type AttemptState } from "./attempt.ts";
import { emptyCounts, type AttemptCounts } from "./attempt-counts.ts";
import {
  DEFAULT_SPEC,
  INITIAL_PROGRESS,
  ROLLOUT_STATES,
  type RolloutProgress,
  type RolloutState,
} from "./rollout.ts";
import { offerBudget } from "./offer-budget.ts";
import { mayStop, stepRollout, type RolloutEvent, type RolloutFrame } from "./rollout-engine.ts";
import type { RolloutStep } from "./rollout-moves.ts";
import { specOf } from "./testing/pure-rollout.ts";

const gate = {
  ...DEFAULT_SPEC.gate,
  maxFailures: { count: 3 },
  minSuccessPercent: 90,
};
const FRAME: RolloutFrame = {
  spec: specOf({ gate }),
  limits: {
    maxInFlight: 5,
    blastRadius: 8,
    maxFailures: 3,
    maxFailureRatePercent: 100,
    window: null,
    maxInFlightPerGateway: 0,
    maxInFlightPerSite: 0,
  },
  waveTotal: 2,
  isRollback: false,
  offerLifetimeMs: 20_000,
  zones: null,
};
const PAUSING: RolloutFrame = { ...FRAME, spec: specOf({ gate, onStop: "pause" }) };

function countsOf(states: Partial<Record<AttemptState, number>>, failures = 0): AttemptCounts {
  const counts = { ...emptyCounts(), failures };
  for (const [state, count] of Object.entries(states) as [AttemptState, number][]) {
    counts.byState[ATTEMPT[state]] = count;
    const inFlight = state === "offered" || isUnderWay(ATTEMPT[state]);
    if (inFlight) counts.inFlight += count;
    if (inFlight || state === "lost") counts.unproven += count;
    if (state !== "pending" && state !== "offered") counts.exposed += count;
  }
  return counts;
}

function at(state: RolloutState, more: Partial<RolloutProgress> = {}): RolloutProgress {
  return { ...INITIAL_PROGRESS, state, waveCount: 1, stopEpoch: 4, clockMs: 5_000, ...more };
}

const QUIET = [countsOf({ pending: 5, accepted: 2 }), countsOf({ pending: 10 })];

function tick(
  progress: RolloutProgress,
  counts: readonly AttemptCounts[] = QUIET,
  options: { frame?: RolloutFrame; elapsedMs?: number; wallMs?: number } = {},
): RolloutStep {
  const { frame = FRAME, elapsedMs = 0, wallMs = 0 } = options;
  return stepRollout(frame, progress, counts, { kind: "tick", elapsedMs, wallMs });
}

const kinds = ({ effects }: RolloutStep): string[] => effects.map(({ kind }) => kind);

describe("commands fit the state, or are a bug of the caller", () => {
  const events: { event: RolloutEvent; from: readonly RolloutState[]; to: RolloutState }[] = [
    { event: { kind: "approve", why: "w" }, from: ["awaiting-approval"], to: "planned" },
    { event: { kind: "start" }, from: ["planned"], to: "running" },
    { event: { kind: "pause", why: "w" }, from: ["running"], to: "paused" },
    { event: { kind: "resume" }, from: ["paused"], to: "running" },
    {
      event: { kind: "stop", why: "w", rollback: false },
      from: ["planned", "running", "paused", "awaiting-approval"],
      to: "stopping",
    },
    {
      event: { kind: "stop", why: "w", rollback: true },
      from: ["running", "paused", "stopping", "succeeded", "stopped", "expired"],
      to: "stopping",
    },
    {
      event: { kind: "rollback-ended", succeeded: true, why: "w" },
      from: ["rolling-back"],
      to: "rolled-back",
    },
    {
      event: { kind: "rollback-ended", succeeded: false, why: "w" },
      from: ["rolling-back"],
      to: "stopped",
    },
  ];
  for (const { event, from, to } of events) {
    for (const state of ROLLOUT_STATES) {
      const allowed = from.includes(state);
      test(`${JSON.stringify(event)} in ${state} ${allowed ? `→ ${to}` : "is refused"}`, () => {
        const step = (): RolloutStep => stepRollout(FRAME, at(state), QUIET, event);
        if (allowed) assert.equal(step().progress.state, to);
        else assert.throws(step, /assertion failed/);
        if (event.kind === "stop") assert.equal(mayStop(state, event.rollback), allowed);
      });
    }
  }
});

describe("a wave", () => {
  test("is the first one after the start", () => {
    const started = stepRollout(FRAME, { ...INITIAL_PROGRESS, state: "planned" }, QUIET, {
      kind: "start",
    });
    assert.deepEqual(started.effects, [{ kind: "open-wave", wave: 0 }]);
    assert.equal(started.progress.waveCount, 1);
  });

  test("opens when the gate of the one before has passed, and not before", () => {
    const waiting = tick(at("running"));
    assert.deepEqual([kinds(waiting), waiting.progress.waveCount], [[], 1]);
    assert.equal(waiting.progress.stateReason, "2 attempts under way");
    const passed = tick(at("running"), [countsOf({ succeeded: 7 }), QUIET[1]!]);
    assert.deepEqual(passed.effects, [{ kind: "open-wave", wave: 1 }]);
    assert.deepEqual([passed.progress.waveCount, passed.progress.waveOpenedAtMs], [2, 5_000]);
  });

  test("does not open because the rollout was paused for longer than its reach window", () => {
    const nobody = [countsOf({ pending: 7 }), countsOf({ pending: 10 })];
    const paused = tick(at("paused"), nobody, { elapsedMs: 3_600_000 }).progress;
    const resumed = stepRollout(FRAME, paused, nobody, { kind: "resume" }).progress;
    assert.deepEqual([tick(resumed, nobody).effects, resumed.waveOpenedAtMs], [[], 3_605_000]);
  });
});

describe("too many failures", () => {
  const bad = [countsOf({ pending: 2, failed: 3, succeeded: 20 }, 3), QUIET[1]!];

  test("stop and roll back", () => {
    const stopped = tick(at("running"), bad);
    assert.equal(stopped.progress.state, "stopping");
    assert.equal(
      stopped.progress.stateReason,
      "3 of the 23 devices that accepted have failed; the limit is 3",
    );
    assert(stopped.progress.rollbackWanted);
    assert.deepEqual(stopped.effects, [
      { kind: "raise-stop-epoch", stopEpoch: 5 },
      { kind: "cancel-pending" },
    ]);
  });

  test("pause, where the policy says so; after a resume only new ones count", () => {
    const paused = tick(at("running"), bad, { frame: PAUSING });
    assert.deepEqual([paused.progress.state, kinds(paused)], ["paused", ["raise-stop-epoch"]]);
    const resumed = stepRollout(PAUSING, paused.progress, bad, { kind: "resume" }).progress;
    assert.equal(resumed.forgivenFailures, 3);
    assert.equal(tick(resumed, bad, { frame: PAUSING }).progress.state, "running");
    const worse = [countsOf({ failed: 6, succeeded: 20 }, 6), QUIET[1]!];
    assert.equal(tick(resumed, worse, { frame: PAUSING }).progress.state, "paused");
  });

  test("a wave's gate that paused lets go after a resume", () => {
    const poor = [countsOf({ failed: 2, succeeded: 2 }, 2), QUIET[1]!];
    const paused = tick(at("running"), poor, { frame: PAUSING });
    assert.equal(paused.progress.state, "paused");
    const resumed = stepRollout(PAUSING, paused.progress, poor, { kind: "resume" }).progress;
    assert.deepEqual(kinds(tick(resumed, poor, { frame: PAUSING })), ["open-wave"]);
  });
});

describe("the blast radius", () => {
  test("filled by those that were given up pauses and says so", () => {
    const lost = [countsOf({ lost: 8, succeeded: 100, pending: 1 }), QUIET[1]!];
    const paused = tick(at("running"), lost);
    assert.equal(paused.progress.state, "paused");
    assert.match(paused.progress.stateReason, /^8 lost or failed .* fill the blast radius of 8$/);
  });

  test("filled when nobody is left to be offered anything does not hold up the end", () => {
    const lost = [countsOf({ lost: 8, succeeded: 100 })];
    assert.equal(
      tick(at("running"), lost, { frame: { ...FRAME, waveTotal: 1 } }).progress.state,
      "succeeded",
    );
  });

  test("is remembered at its largest", () => {
    const once = tick(at("running"), [countsOf({ accepted: 4, pending: 1 })]).progress;
    const later = tick(once, [countsOf({ accepted: 1, pending: 1 })]).progress;
    assert.equal(later.maxUnproven, 4);
  });
});

describe("the end", () => {
  const last = at("running", { waveCount: 2 });

  test("comes when nothing is open", () => {
    const done = tick(last, [countsOf({ succeeded: 7 }), countsOf({ succeeded: 10 })]);
    assert.deepEqual(done.effects, [{ kind: "ended", state: "succeeded" }]);
  });

  test("waits for the tail, for the offline grace", () => {
    const tail = [countsOf({ succeeded: 5, pending: 2 }), countsOf({ succeeded: 9, pending: 1 })];
    const waiting = tick(last, tail, { elapsedMs: 60_000 });
    assert.equal(waiting.progress.stateReason, "waiting for 3 devices of the tail");
    const over = tick(last, tail, { elapsedMs: 600_000 });
    assert.deepEqual(over.effects, [
      { kind: "close-unaccepted", as: "unreachable" },
      { kind: "ended", state: "succeeded" },
    ]);
    assert.equal(over.progress.stateReason, "3 devices never reached");
  });

  test("awaits offers that are out when the grace is over, for as long as they are good", () => {
    const tail = [countsOf({ succeeded: 5, pending: 2 }), countsOf({ succeeded: 9, offered: 1 })];
    const over = tick(last, tail, { elapsedMs: 600_000 });
    assert.equal(over.progress.state, "stopping");
    assert.deepEqual(kinds(over), ["raise-stop-epoch", "give-up-pending"]);
    assert.deepEqual(kinds(tick(over.progress, tail, { elapsedMs: 19_999 })), []);
    const ended = tick(over.progress, tail, { elapsedMs: 20_000 });
    assert.equal(ended.progress.state, "succeeded");
    assert.deepEqual(kinds(ended), ["close-unaccepted", "ended"]);
  });

  test("waits for the tail's attempts that are under way after the grace", () => {
    const tail = [countsOf({ installing: 1 }), countsOf({ succeeded: 10 })];
    const late = tick(last, tail, { elapsedMs: 600_000 });
    assert.deepEqual([late.progress.state, late.effects], ["running", []]);
  });
});

describe("stopping", () => {
  test("waits for offers that have left, for as long as they are good", () => {
    const counts = [countsOf({ offered: 1, succeeded: 6 })];
    const stopping = at("stopping", { stoppingAtMs: 5_000, rollbackWanted: true });
    assert.deepEqual(kinds(tick(stopping, counts, { elapsedMs: 19_999 })), []);
    const next = tick(stopping, counts, { elapsedMs: 20_000 });
    assert.equal(next.progress.state, "rolling-back");
    assert.deepEqual(kinds(next), ["begin-rollback", "close-unaccepted"]);
  });

  test("without a rollback waits for what is under way", () => {
    const stopping = at("stopping", { stoppingAtMs: 5_000, stateReason: "by hand" });
    assert.deepEqual(kinds(tick(stopping, QUIET)), []);
    const done = tick(stopping, [countsOf({ succeeded: 2, cancelled: 5 })]);
    assert.deepEqual(done.effects, [
      { kind: "close-unaccepted", as: "cancelled" },
      { kind: "ended", state: "stopped" },
    ]);
    assert.equal(done.progress.stateReason, "by hand");
  });

  test("a rollback may be asked for while a stop is under way", () => {
    const event = { kind: "stop", why: "by hand", rollback: true } as const;
    const { progress } = stepRollout(FRAME, at("stopping"), QUIET, event);
    assert.deepEqual([progress.rollbackWanted, progress.stopEpoch], [true, 5]);
  });

  test("a rollback never rolls back, whoever asks", () => {
    const frame = { ...FRAME, isRollback: true };
    const event = { kind: "stop", why: "by hand", rollback: true } as const;
    assert.equal(stepRollout(frame, at("running"), QUIET, event).progress.rollbackWanted, false);
    const bad = [countsOf({ failed: 3, pending: 1 }, 3)];
    assert.equal(tick(at("running"), bad, { frame }).progress.state, "paused");
  });
});

describe("the budget of offers", () => {
  test("is nothing, but while it runs", () => {
    for (const state of ROLLOUT_STATES) {
      const budget = offerBudget(FRAME, at(state), countsOf({ pending: 10 }));
      assert.equal(budget, state === "running" ? 5 : 0, state);
    }
  });

  test("is what both limits leave, and never below nothing", () => {
    const running = at("running");
    assert.equal(offerBudget(FRAME, running, countsOf({ offered: 2, installing: 1 })), 2);
    assert.equal(offerBudget(FRAME, running, countsOf({ lost: 6 })), 2);
    assert.equal(offerBudget(FRAME, running, countsOf({ lost: 20, offered: 20 })), 0);
  });

  test("of a rollback is not held up by those it is to put back", () => {
    const frame = { ...FRAME, isRollback: true };
    assert.equal(offerBudget(frame, at("running"), countsOf({ lost: 20 })), 5);
  });
});

describe("any ticks", () => {
  test("only move along the graph, and epoch, clock and waves only grow", () => {
    const next: { readonly [state: string]: readonly RolloutState[] } = {
      running: ["paused", "stopping", "succeeded"],
      stopping: ["rolling-back", "stopped"],
    };
    const some = fc.record({
      pending: fc.nat({ max: 3 }),
      offered: fc.nat({ max: 3 }),
      installing: fc.nat({ max: 3 }),
      succeeded: fc.nat({ max: 9 }),
      failed: fc.nat({ max: 3 }),
      lost: fc.nat({ max: 9 }),
    });
    const start = fc.record({
      state: fc.constantFrom(...ROLLOUT_STATES),
      waveCount: fc.constantFrom(1, 2),
      rollbackWanted: fc.boolean(),
    });
    fc.assert(
      fc.property(start, some, some, fc.nat({ max: 700_000 }), (from, one, two, elapsedMs) => {
        const before = at(from.state, from);
        const counts = [countsOf(one, one.failed + one.lost), countsOf(two, two.failed + two.lost)];
        const { progress, effects } = tick(before, counts, { elapsedMs });
        if (progress.state !== before.state) assert(next[before.state]?.includes(progress.state));
        assert(progress.stopEpoch >= before.stopEpoch);
        assert.equal(progress.clockMs, before.clockMs + elapsedMs);
        const opened = effects.filter(({ kind }) => kind === "open-wave").length;
        assert.equal(progress.waveCount - before.waveCount, opened);
        const raised = effects.filter(({ kind }) => kind === "raise-stop-epoch").length;
        assert.equal(progress.stopEpoch - before.stopEpoch, raised);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("notBefore and expires", () => {
  const spec = specOf({ gate, notBeforeMs: 1_000_000, expiresAtMs: 2_000_000 });
  const frame = { ...FRAME, spec };
  const begun = stepRollout(frame, at("planned", { waveCount: 0 }), QUIET, { kind: "start" });

  test("a started rollout opens its first wave when its time has come", () => {
    assert.deepEqual(
      [begun.progress.state, begun.progress.waveCount, kinds(begun)],
      ["running", 0, []],
    );
    const early = tick(begun.progress, QUIET, { frame, wallMs: 999_999 });
    assert.deepEqual([early.progress.waveCount, kinds(early)], [0, []]);
    assert.equal(early.progress.stateReason, "waiting until 1970-01-01 00:16:40Z (notBefore)");
    const due = tick(early.progress, QUIET, { frame, wallMs: 1_000_000 });
    assert.deepEqual([due.progress.waveCount, kinds(due)], [1, ["open-wave"]]);
    const back = tick(due.progress, QUIET, { frame, wallMs: 0 });
    assert.equal(back.progress.waveCount, 1, "a clock that goes back closes no wave");
  });

  for (const state of ["running", "paused"] as const) {
    test(`a ${state} one that expires stops, awaits what is under way and ends as expired`, () => {
      const expiry = tick(at(state), QUIET, { frame, wallMs: 2_000_000 });
      assert.deepEqual(kinds(expiry), ["raise-stop-epoch", "cancel-pending"]);
      assert.deepEqual([expiry.progress.state, expiry.progress.hasExpired], ["stopping", true]);
      const waiting = tick(expiry.progress, QUIET, { frame, wallMs: 3_000_000 });
      assert.deepEqual([waiting.progress.state, kinds(waiting)], ["stopping", []]);
      const over = [countsOf({ succeeded: 2, cancelled: 15 })];
      assert.equal(tick(waiting.progress, over, { frame }).progress.state, "expired");
    });
  }

  test("whoever rolls an expiring one back has it rolled back", () => {
    const expiring = tick(at("running"), QUIET, { frame, wallMs: 2_000_000 }).progress;
    const event = { kind: "stop", why: "bad", rollback: true } as const;
    const { progress } = stepRollout(frame, expiring, QUIET, event);
    assert.deepEqual([progress.hasExpired, progress.rollbackWanted], [false, true]);
  });
});
