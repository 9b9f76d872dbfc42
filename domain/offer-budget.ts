// SPDX-License-Identifier: Apache-2.0
/** How many more devices a rollout may reach now: the blast radius rests on this file. */
import { ATTEMPT } from "./attempt.ts";
import type { AttemptCounts } from "./attempt-counts.ts";
import type { PlanLimits, RolloutProgress } from "./rollout.ts";

/** What is used of a rollout's frame. */
interface BudgetFrame {
  readonly limits: PlanLimits;
  readonly isRollback: boolean;
}

/** How many more devices may be offered now, by every limit of the plan. */
export function offerBudget(
  frame: BudgetFrame,
  progress: RolloutProgress,
  total: AttemptCounts,
  isPlanted: (name: string) => boolean = () => false,
): number {
  if (progress.state !== "running") return 0;
  // The planted bug: off by one, as with `<=` where `<` is meant.
  const oneMore = isPlanted("engine.one-more") ? 1 : 0;
  const maxInFlight = progress.window?.size ?? frame.limits.maxInFlight;
  const byFlight = maxInFlight - total.inFlight + oneMore;
  if (frame.isRollback) return Math.max(0, byFlight);
  return Math.max(0, Math.min(byFlight, frame.limits.blastRadius - total.unproven));
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
