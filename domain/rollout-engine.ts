// SPDX-License-Identifier: Apache-2.0
/**
 * The rollout engine: `stepRollout(progress, event) → { progress, effects }`. Pure: it reads counts
 * and its own clock, and says what is to be done; the center does it and stores both together. The
 * same code runs in production and on virtual time.
 *
 * Invariants: a wave never opens before the gate of the one before it; after the stop epoch has
 * grown nothing of this rollout is offered; the state moves only along the graph of `rollout.ts`.
 */
import { openWindow, stepWindow } from "./adaptive-window.ts";
import { askFirst, overrule, takeAnswer, type AnalysisAnswered } from "./analysis-step.ts";
import { assert, unreachable } from "./assert.ts";
import { ATTEMPT } from "./attempt.ts";
import { sumCounts, type AttemptCounts } from "./attempt-counts.ts";
import { judgeWave } from "./gate.ts";
import { countedFailures, evidenceOf, forgive, heldText, holdSlices } from "./gate-memory.ts";
import { endGivenUp, finish } from "./rollout-end.ts";
import {
  closeAndEnd,
  end,
  keep,
  openWave,
  pause,
  stop,
  type RolloutStep,
} from "./rollout-moves.ts";
import {
  expiryReason,
  hasExpired,
  reachableForMs,
  waitsForStart,
  waitsForWindow,
} from "./rollout-schedule.ts";
import type { GateSight } from "./slice-tally.ts";
import { blastRadiusFilled } from "./offer-budget.ts";
import { gateVerdict } from "./stop-rules.ts";
import {
  isUnstarted,
  type HeldSlice,
  type PlanLimits,
  type RolloutProgress,
  type RolloutSpec,
  type RolloutState,
} from "./rollout.ts";
import { restartReach, stepZones } from "./zone-progress.ts";
import type { ZoneWindows } from "./zone-windows.ts";

/** What does not change while a rollout runs. */
export interface RolloutFrame {
  readonly spec: RolloutSpec;
  readonly limits: PlanLimits;
  /** Waves in the plan. */
  readonly waveTotal: number;
  /** A rollback puts devices back: it never rolls back again; its devices are unproven anyway. */
  readonly isRollback: boolean;
  /** Longest that an offer which has left may still be accepted; awaited when stopping. */
  readonly offerLifetimeMs: number;
  /** null: nothing waits for a window. */
  readonly zones: ZoneWindows | null;
}

export type RolloutEvent =
  /** `wallMs`: for `notBefore`, `expires` and windows only; it may jump, `elapsedMs` does not. */
  | { readonly kind: "tick"; readonly elapsedMs: number; readonly wallMs: number }
  /** By another operator than the planner. */
  | { readonly kind: "approve"; readonly why: string }
  | { readonly kind: "start" }
  | { readonly kind: "pause"; readonly why: string }
  | { readonly kind: "resume" }
  | AnalysisAnswered
  | { readonly kind: "stop"; readonly why: string; readonly rollback: boolean }
  | { readonly kind: "rollback-ended"; readonly succeeded: boolean; readonly why: string };

type Tick = Extract<RolloutEvent, { kind: "tick" }>;

/**
 * `counts`: one entry a wave of the plan, current when the step is taken. `isPlanted`: test-only
 * switches for planted bugs; false in production. `sight`: counts by slice and site; null where
 * nothing is told apart.
 */
export function stepRollout(
  frame: RolloutFrame,
  progress: RolloutProgress,
  counts: readonly AttemptCounts[],
  event: RolloutEvent,
  isPlanted: (name: string) => boolean = () => false,
  sight: GateSight | null = null,
): RolloutStep {
  switch (event.kind) {
    case "tick":
      return tick(frame, progress, counts, event, isPlanted, sight);
    case "approve":
      assert(progress.state === "awaiting-approval", "only what awaits approval is approved");
      return keep({ ...progress, state: "planned", stateReason: event.why });
    case "start":
      assert(progress.state === "planned", "only a planned rollout starts");
      return start(frame, { ...progress, state: "running", stateReason: "started" });
    case "pause":
      assert(progress.state === "running", "only a running rollout is paused");
      // The planted bug: gateways are not told, and go on offering what they have.
      if (isPlanted("engine.pause-untold")) return keep({ ...progress, state: "paused" });
      return pause(progress, event.why);
    case "resume": {
      assert(progress.state === "paused", "only a paused rollout resumes");
      return keep({
        ...progress,
        ...forgive(sumCounts(counts), sight),
        state: "running",
        stateReason: "resumed",
        analysis: overrule(progress.analysis),
        // Nobody could be reached meanwhile: the reach window begins anew. The planted bug: not so.
        waveOpenedAtMs: isPlanted("engine.resume-keeps-reach")
          ? progress.waveOpenedAtMs
          : progress.clockMs,
        zones: restartReach(progress.zones, progress.clockMs),
      });
    }
    case "analysis-answered":
      return answered(frame, progress, event, isPlanted);
    case "stop":
      assert(mayStop(progress.state, event.rollback), "a rollout that may be stopped is stopped");
      return stop(progress, event.why, event.rollback && !frame.isRollback);
    case "rollback-ended":
      assert(progress.state === "rolling-back", "a rollback ends while its parent rolls back");
      return end(progress, event.succeeded ? "rolled-back" : "stopped", event.why);
    default:
      return unreachable(event);
  }
}

/**
 * A plan that nobody wants any more is stopped too. A rollout that ended, or is stopping, may still
 * be rolled back; one that was rolled back may not.
 */
export function mayStop(state: RolloutState, rollback: boolean): boolean {
  const isOn = state === "running" || state === "paused";
  if (isOn || (isUnstarted(state) && !rollback)) return true;
  const mayGoBack = state === "succeeded" || state === "stopped" || state === "expired";
  return rollback && (mayGoBack || state === "stopping");
}

/** Its first wave opens at once, or at the first tick that finds `notBefore` in the past. */
function start(frame: RolloutFrame, progress: RolloutProgress): RolloutStep {
  return frame.spec.notBeforeMs === 0 ? openWave(progress, 0) : keep(progress);
}

function tick(
  frame: RolloutFrame,
  before: RolloutProgress,
  counts: readonly AttemptCounts[],
  { elapsedMs, wallMs }: Tick,
  isPlanted: (name: string) => boolean,
  sight: GateSight | null,
): RolloutStep {
  assert(elapsedMs >= 0, "a rollout's clock never goes back");
  const total = sumCounts(counts);
  const clockMs = before.clockMs + elapsedMs;
  const { zones, opened } = stepZones(before.zones, frame.zones?.openAt(wallMs) ?? [], clockMs);
  const maxUnproven = Math.max(before.maxUnproven, total.unproven);
  const now = { ...before, clockMs, maxUnproven, zones };
  const { progress, effects } = stepNow(frame, now, counts, { total, wallMs, isPlanted, sight });
  return { progress, effects: [...opened, ...effects] };
}

/** What a step looks at beside the counts by wave. */
interface Moment {
  readonly total: AttemptCounts;
  readonly wallMs: number;
  readonly isPlanted: (name: string) => boolean;
  readonly sight: GateSight | null;
}

function stepNow(
  frame: RolloutFrame,
  progress: RolloutProgress,
  counts: readonly AttemptCounts[],
  moment: Moment,
): RolloutStep {
  const { total, wallMs, isPlanted } = moment;
  if (hasExpired(frame.spec, progress.state, wallMs)) {
    const expiry = stop(progress, expiryReason(frame.spec), false);
    return { ...expiry, progress: { ...expiry.progress, hasExpired: true } };
  }
  switch (progress.state) {
    case "running":
      if (progress.waveCount === 0) return beginWhenDue(frame, progress, wallMs);
      return advance(frame, moveWindow(frame, progress, total), counts, moment);
    case "stopping":
      return finishStopping(frame, progress, total, isPlanted);
    default:
      return keep(progress);
  }
}

function beginWhenDue(frame: RolloutFrame, progress: RolloutProgress, wallMs: number): RolloutStep {
  const waiting = waitsForStart(frame.spec, wallMs);
  return waiting === null ? openWave(progress, 0) : keep({ ...progress, stateReason: waiting });
}

/** Offers that left are withdrawn at every gateway; those of other slices are made anew at once. */
function hold(progress: RolloutProgress, slices: readonly HeldSlice[]): RolloutStep {
  const stopEpoch = progress.stopEpoch + 1;
  return {
    progress: { ...holdSlices(progress, slices), stopEpoch },
    effects: [{ kind: "raise-stop-epoch", stopEpoch }],
  };
}

/** An adaptive rollout: what was decided since may change how many are in flight from now on. */
function moveWindow(
  frame: RolloutFrame,
  progress: RolloutProgress,
  total: AttemptCounts,
): RolloutProgress {
  const { spec, limits } = frame;
  if (limits.window === null) return progress;
  const before = progress.window ?? openWindow(limits.window);
  const succeeded = total.byState[ATTEMPT.succeeded] ?? 0;
  const counts = { succeeded, failures: total.failures };
  const window = stepWindow(before, limits.window, counts, spec.gate.minSuccessPercent);
  return { ...progress, window };
}

function advance(
  frame: RolloutFrame,
  progress: RolloutProgress,
  counts: readonly AttemptCounts[],
  { total, wallMs, isPlanted, sight }: Moment,
): RolloutStep {
  // The planted bug: off by one, it stops above its limit instead of at it.
  const unseen = isPlanted("gate.one-more-failure") && total.failures > 0 ? 1 : 0;
  const seen = { ...total, failures: total.failures - unseen };
  const verdict = gateVerdict(frame, evidenceOf(progress, seen, sight));
  if (verdict.kind === "stop") return stopByPolicy(frame, progress, verdict.why);
  if (verdict.kind === "hold") return hold(progress, verdict.slices);
  const current = counts[progress.waveCount - 1];
  assert(current !== undefined, "a running rollout has a current wave");
  const wave = judgeWave(current, frame.spec.gate, {
    openForMs: reachableForMs(frame.zones, progress),
    reachMs: frame.spec.deadlines.reachMs,
    unforgivenFailures: countedFailures(progress, total, sight),
    heldCount: sight?.held?.pending[progress.waveCount - 1] ?? 0,
    isPlanted,
  });
  if (wave.kind === "stop") return stopByPolicy(frame, progress, wave.why);
  const filled = blastRadiusFilled(frame, total);
  if (filled !== null) return pause(progress, filled);
  // The planted bug: the next wave does not wait for the gate of this one.
  const skipsGate = isPlanted("engine.skip-gate") && progress.waveCount < frame.waveTotal;
  if (wave.kind === "waiting" && !skipsGate) {
    const waiting = wave.why + waitsForWindow(frame.zones, progress.waveCount - 1, wallMs);
    return keep({ ...progress, stateReason: waiting + heldText(progress, sight) });
  }
  if (progress.waveCount < frame.waveTotal) {
    const ask = askFirst(frame.spec.gate.analysis, progress, progress.waveCount, isPlanted);
    return ask ?? openWave(progress, progress.waveCount);
  }
  return finish(frame, progress, total, sight);
}

function answered(
  frame: RolloutFrame,
  progress: RolloutProgress,
  answer: AnalysisAnswered,
  isPlanted: (name: string) => boolean,
): RolloutStep {
  const taken = takeAnswer(frame.spec.gate.analysis, progress, answer, isPlanted);
  if (taken === null || answer.verdict === "success") return keep(taken?.progress ?? progress);
  if (answer.verdict === "failure") return stopByPolicy(frame, taken.progress, taken.why);
  return pause(taken.progress, `${taken.why}; a person must decide`);
}

function stopByPolicy(frame: RolloutFrame, progress: RolloutProgress, why: string): RolloutStep {
  if (frame.isRollback || frame.spec.onStop === "pause") return pause(progress, why);
  return stop(progress, why, true);
}

function finishStopping(
  frame: RolloutFrame,
  progress: RolloutProgress,
  total: AttemptCounts,
  isPlanted: (name: string) => boolean,
): RolloutStep {
  const offered = total.byState[ATTEMPT.offered] ?? 0;
  const waitedMs = progress.clockMs - progress.stoppingAtMs;
  // An offer that left may be accepted until it expires; after that it cannot.
  const mayBeAccepted = offered > 0 && waitedMs < frame.offerLifetimeMs;
  // The planted bug: what the gateways were told counts as what the devices know.
  if (mayBeAccepted && !isPlanted("engine.stop-at-once")) return keep(progress);
  const close = { kind: "close-unaccepted", as: "cancelled" } as const;
  if (progress.rollbackWanted) {
    return {
      progress: { ...progress, state: "rolling-back" },
      effects: [{ kind: "begin-rollback" }, close],
    };
  }
  if (total.inFlight > offered) return keep(progress);
  if (progress.hasGivenUpTail) {
    return endGivenUp(progress, total, progress.stateReason);
  }
  const state = progress.hasExpired ? "expired" : "stopped";
  return closeAndEnd(progress, "cancelled", state, progress.stateReason);
}
