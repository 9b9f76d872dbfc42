// SPDX-License-Identifier: Apache-2.0
/** What must hold of gates: waves open one after another, and nothing stops without a cause. */
import { ATTEMPT, CELL_FLAGS, isUnderWay } from "../attempt.ts";
import { must } from "./invariants.ts";
import type { PureRollout } from "./pure-rollout.ts";

/** Of a wave, of its joiners, too. */
function statesIn(rollout: PureRollout, wave: number): Uint8Array {
  return rollout.page.state.filter((_, position) => rollout.waveOf(position) === wave);
}

function countIn(rollout: PureRollout, wave: number): (state: keyof typeof ATTEMPT) => number {
  const states = statesIn(rollout, wave);
  return (state) => states.reduce((all, code) => all + Number(code === ATTEMPT[state]), 0);
}

/** Succeeded and newly failed of a wave: what its share is judged by. */
function shareOf(rollout: PureRollout, wave: number, forgiven: number): [number, number] {
  const of = countIn(rollout, wave);
  const bad = of("failed") + of("rolled-back") + of("timed-out") + of("lost");
  const newFailures = rollout.total.failures - forgiven - heldFailures(rollout);
  const own = bad - putBackIn(rollout, wave);
  return [of("succeeded"), Math.max(0, Math.min(own, newFailures))];
}

/** Who is back for the failure of another one has not failed. */
function putBackIn(rollout: PureRollout, wave: number): number {
  const { flags, state } = rollout.page;
  return rollout.devices.filter((_, position) => {
    const hasFailed = ((flags[position] ?? 0) & CELL_FLAGS.failed) !== 0;
    const isBack = state[position] === ATTEMPT["rolled-back"] && rollout.isGoingBack(position);
    return rollout.waveOf(position) === wave && isBack && !hasFailed;
  }).length;
}

/** Of devices whose slice is held: they have been judged. */
export function heldFailures(rollout: PureRollout): number {
  return rollout.sight.held?.failures ?? 0;
}

export function checkGate(rollout: PureRollout, wave: number, reachableForMs: number): void {
  const of = countIn(rollout, wave);
  const underWay = statesIn(rollout, wave).filter(isUnderWay).length;
  must("gate", underWay === 0, "a wave opened while attempts of the one before were under way");
  const { spec } = rollout.frame;
  const heldCount = rollout.sight.held?.pending[wave] ?? 0;
  const notReached = of("pending") + of("offered") - heldCount;
  const hadTime = notReached === 0 || reachableForMs >= spec.deadlines.reachMs;
  must("gate", hadTime, `a wave opened ${reachableForMs} ms into the reach window of another`);
  const [succeeded, failed] = shareOf(rollout, wave, rollout.progress.forgivenFailures);
  const hasPassed = succeeded * 100 >= spec.gate.minSuccessPercent * (succeeded + failed);
  must("gate", hasPassed, `a wave opened with ${succeeded} well and ${failed} failed`);
}

/**
 * The engine halts at its limit of failures, at a share too low, at a filled blast radius, or when
 * it is evident that too many would fail: no fewer have failed than it allows. And when it expires,
 * and when it gives its tail up.
 */
export function checkCause(
  rollout: PureRollout,
  before: PureRollout["progress"],
  move: string,
): void {
  const { frame, total, progress } = rollout;
  const { gate } = frame.spec;
  if (progress.hasExpired) return;
  if (progress.hasGivenUpTail) {
    const waitedMs = progress.clockMs - before.waveOpenedAtMs;
    const isOver = waitedMs >= frame.spec.deadlines.offlineGraceMs;
    must("cause", isOver, `${move}: the tail is given up after ${waitedMs} ms`);
    return;
  }
  const hasFailed = total.failures - before.forgivenFailures >= frame.limits.maxFailures;
  const wave = before.waveCount - 1;
  const [succeeded, failed] = shareOf(rollout, wave, before.forgivenFailures);
  const decided = succeeded + failed;
  const of = countIn(rollout, wave);
  const isJudged = decided >= gate.minSample || of("pending") + of("offered") === 0;
  const isLow = isJudged && succeeded * 100 < gate.minSuccessPercent * decided;
  const isHeld = progress.state === "paused" && progress.heldSlices.length > 0;
  const givenUp = total.unproven - total.inFlight;
  const isFilled = progress.state === "paused" && givenUp >= frame.limits.blastRadius;
  must(
    "cause",
    hasFailed || isLow || isFilled || isHeld || mayBeEvident(rollout, before),
    `${move}: ${progress.stateReason}`,
  );
}

function mayBeEvident(
  { total, frame, sight }: PureRollout,
  before: PureRollout["progress"],
): boolean {
  const failures = total.failures - before.forgivenFailures;
  const accepted = Math.min(
    total.exposed - before.forgivenFailures,
    Math.max(failures, total.exposed - before.forgivenAccepted),
  );
  const isOver = (k: number, n: number): boolean => {
    return k * 100 > frame.limits.maxFailureRatePercent * n;
  };
  const slices = sight.tally.plan.slices.map((_, slice) => sight.tally.slice(slice));
  return (
    isOver(failures, accepted) || slices.some((slice) => isOver(slice.failures, slice.accepted))
  );
}
