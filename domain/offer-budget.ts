// SPDX-License-Identifier: Apache-2.0
/** How many more devices a rollout may reach now: the blast radius rests on this file. */
import { ATTEMPT } from "./attempt.ts";
import { isUnproven, type AttemptCounts } from "./attempt-counts.ts";
import { isGoingBack } from "./path-step.ts";
import type { PlanLimits, RolloutProgress } from "./rollout.ts";

/** What is used of a rollout's frame. */
interface BudgetFrame {
  readonly limits: PlanLimits;
  readonly isRollback: boolean;
}

/** How many more devices may be offered now. */
export interface OfferRoom {
  /** Whoever they are. */
  inFlight: number;
  /** Of those that are not unproven as it is: who goes back has its place in the radius already. */
  radius: number;
}

export function offerRoom(
  frame: BudgetFrame,
  progress: RolloutProgress,
  total: AttemptCounts,
  isPlanted: (name: string) => boolean = () => false,
): OfferRoom {
  if (progress.state !== "running") return { inFlight: 0, radius: 0 };
  // The planted bug: off by one, as with `<=` where `<` is meant.
  const oneMore = isPlanted("engine.one-more") ? 1 : 0;
  const maxInFlight = progress.window?.size ?? frame.limits.maxInFlight;
  const inFlight = Math.max(0, maxInFlight - total.inFlight + oneMore);
  if (frame.isRollback) return { inFlight, radius: inFlight };
  return { inFlight, radius: Math.max(0, frame.limits.blastRadius - total.unproven) };
}

/**
 * Does an offer make it unproven, so that it takes a place in the radius? Not one that is so as it
 * is: it was offered before, or it goes back from what it had not proven yet.
 */
export function takesRadius(
  state: number,
  flags: number,
  isPlanted: (name: string) => boolean = () => false,
): boolean {
  // The planted bug: what is put back is free of charge.
  if (isGoingBack(flags) && isPlanted("way-back.takes-no-place")) return false;
  return !isUnproven(state, flags);
}

/** How many more devices may be offered now, by every limit of the plan. */
export function offerBudget(
  frame: BudgetFrame,
  progress: RolloutProgress,
  total: AttemptCounts,
): number {
  const { inFlight, radius } = offerRoom(frame, progress, total);
  return Math.min(inFlight, radius);
}

/** Nothing can be offered any more because those given up fill the budget: a person must decide. */
export function blastRadiusFilled(frame: BudgetFrame, total: AttemptCounts): string | null {
  if (frame.isRollback || total.byState[ATTEMPT.pending] === 0) return null;
  const givenUp = total.unproven - total.inFlight;
  if (givenUp < frame.limits.blastRadius) return null;
  return (
    `${givenUp} lost or failed devices are not back on what they ran before; ` +
    `they fill the blast radius of ${frame.limits.blastRadius}`
  );
}
