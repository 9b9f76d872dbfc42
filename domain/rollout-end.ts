// SPDX-License-Identifier: Apache-2.0
/** How a rollout ends whose waves are all open: the rest is awaited, and in the end given up. */
import { askFirst } from "./analysis-step.ts";
import { ATTEMPT } from "./attempt.ts";
import { countOpen, type AttemptCounts } from "./attempt-counts.ts";
import { heldText } from "./gate-memory.ts";
import type { RolloutProgress, RolloutSpec } from "./rollout.ts";
import { closeAndEnd, end, keep, pause, stop, type RolloutStep } from "./rollout-moves.ts";
import type { GateSight } from "./slice-tally.ts";
import { countOf } from "./units.ts";

/** What is looked at of a rollout's frame. */
interface EndFrame {
  readonly spec: Pick<RolloutSpec, "gate" | "deadlines">;
  /** Waves in the plan. */
  readonly waveTotal: number;
}

/** Every wave is open and the last one's gate has passed: only the tail may be left. */
export function finish(
  frame: EndFrame,
  progress: RolloutProgress,
  total: AttemptCounts,
  sight: GateSight | null,
): RolloutStep {
  const heldCount = sight?.held?.pending.reduce((sum, count) => sum + count, 0) ?? 0;
  const open = countOpen(total) - heldCount;
  // Its gate has failed for a slice: a person says what that means for the whole.
  const isHeld = progress.heldSlices.length > 0;
  if (open === 0 && isHeld) {
    const waiting = `every other device is done, ${countOf(heldCount, "device")} wait`;
    const rest = heldCount > 0 ? waiting : "every device is done, and not everywhere well";
    return pause(progress, rest + heldText(progress, sight));
  }
  const refused = refusedByAll(total);
  if (open === 0 && refused !== null) return end(progress, "stopped", refused);
  const ask = askFirst(frame.spec.gate.analysis, progress, frame.waveTotal);
  if (open === 0) return ask ?? end(progress, "succeeded", "every wave passed its gate");
  const waitedMs = progress.clockMs - progress.waveOpenedAtMs;
  if (total.inFlight === (total.byState[ATTEMPT.offered] ?? 0)) {
    if (waitedMs >= frame.spec.deadlines.offlineGraceMs) {
      if (isHeld) return pause(progress, neverReached(open) + heldText(progress, sight));
      return ask ?? giveUpTail(progress, total, open);
    }
  }
  const waiting = `waiting for ${countOf(open, "device")} of the tail`;
  return keep({ ...progress, stateReason: waiting + heldText(progress, sight) });
}

/** Offers that are out may still be accepted: they are withdrawn and awaited, as at a stop. */
function giveUpTail(progress: RolloutProgress, total: AttemptCounts, open: number): RolloutStep {
  const why = neverReached(open);
  const isOut = (total.byState[ATTEMPT.offered] ?? 0) > 0;
  const stopped = isOut ? stop(progress, why, false).progress : progress;
  if (!isOut) return endGivenUp(stopped, total, why);
  return {
    progress: { ...stopped, hasGivenUpTail: true },
    effects: [
      { kind: "raise-stop-epoch", stopEpoch: stopped.stopEpoch },
      { kind: "give-up-pending" },
    ],
  };
}

/** The tail was given up, and no offer is out any more. */
export function endGivenUp(
  progress: RolloutProgress,
  total: AttemptCounts,
  why: string,
): RolloutStep {
  const refused = refusedByAll(total);
  if (refused === null) return closeAndEnd(progress, "unreachable", "succeeded", why);
  return closeAndEnd(progress, "unreachable", "stopped", `${refused}; ${why}`);
}

/**
 * A refusal is neutral beside an attempt that was accepted. Where there is none, nothing has come
 * about, and a rollout that was only refused has not succeeded. null: somebody accepted, or nobody
 * refused.
 */
function refusedByAll(total: AttemptCounts): string | null {
  const refused = total.byState[ATTEMPT.rejected] ?? 0;
  if (refused === 0 || total.exposed > 0) return null;
  return `nobody accepted it: ${countOf(refused, "device")} refused`;
}

function neverReached(deviceCount: number): string {
  return `${countOf(deviceCount, "device")} never reached`;
}
