// SPDX-License-Identifier: Apache-2.0
/**
 * What the engine remembers for its gate: failures that an operator has resumed over, slices that
 * are held; and what the gate is asked with, given both.
 */
import { ATTEMPT } from "./attempt.ts";
import type { AttemptCounts } from "./attempt-counts.ts";
import type { Forgiven } from "./gate.ts";
import type { HeldSlice, RolloutProgress } from "./rollout.ts";
import type { GateSight } from "./slice-tally.ts";
import type { GateInput } from "./stop-rules.ts";

/** A resume: all that was seen is forgiven, and what was held is offered to again. */
export function forgive(
  total: AttemptCounts,
  sight: GateSight | null,
): Pick<
  RolloutProgress,
  | "forgivenFailures"
  | "forgivenAccepted"
  | "forgivenUnderWay"
  | "forgivenFailedSites"
  | "forgivenSlices"
  | "heldSlices"
> {
  return {
    forgivenFailures: total.failures,
    forgivenAccepted: total.exposed,
    forgivenUnderWay: total.inFlight - (total.byState[ATTEMPT.offered] ?? 0),
    forgivenFailedSites: sight?.tally.sites.failed ?? 0,
    forgivenSlices: sight === null ? [] : forgiveSlices(sight),
    heldSlices: [],
  };
}

function forgiveSlices({ tally, underWay }: GateSight): RolloutProgress["forgivenSlices"] {
  const undecided = underWay();
  return tally.plan.slices.map((_, slice) => {
    const { failures, accepted, sitesFailed } = tally.slice(slice);
    return { failures, accepted, underWay: undecided[slice] ?? 0, failedSites: sitesFailed };
  });
}

/** Its sentence is the newest that was held. */
export function holdSlices(
  progress: RolloutProgress,
  slices: readonly HeldSlice[],
): RolloutProgress {
  return {
    ...progress,
    heldSlices: [...progress.heldSlices, ...slices],
    stateReason: slices.map(({ why }) => why).join("; "),
  };
}

/** `; held: region eu`, or nothing. */
export function heldText(progress: RolloutProgress, sight: GateSight | null): string {
  if (progress.heldSlices.length === 0 || sight === null) return "";
  const names = progress.heldSlices.map(({ slice }) => sight.tally.plan.slices[slice]?.name);
  return `; held: ${names.join(", ")}`;
}

/** Failures that count: not forgiven, and not of devices whose slice is judged already. */
export function countedFailures(
  progress: RolloutProgress,
  total: AttemptCounts,
  sight: GateSight | null,
): number {
  const { failures, forgiven } = evidenceOf(progress, total, sight).whole;
  return failures - forgiven.failures;
}

export function evidenceOf(
  progress: RolloutProgress,
  total: AttemptCounts,
  sight: GateSight | null,
): GateInput {
  const failures = total.failures - (sight?.held?.failures ?? 0);
  const forgiven = forgivenOfRest(progress);
  return {
    whole: {
      failures,
      accepted: total.exposed - (sight?.held?.accepted ?? 0),
      forgiven: { ...forgiven, failures: Math.min(forgiven.failures, failures) },
    },
    planned: total.byState.reduce((sum, count) => sum + count, 0),
    isGrowing: progress.joined.length > 0,
    sight,
    forgivenFailedSites: progress.forgivenFailedSites,
    forgivenSlices: progress.forgivenSlices,
    heldSlices: progress.heldSlices,
  };
}

/** What was forgiven, less what was forgiven of slices that are held since. */
function forgivenOfRest(progress: RolloutProgress): Forgiven {
  let failures = progress.forgivenFailures;
  let accepted = progress.forgivenAccepted;
  let underWay = progress.forgivenUnderWay;
  for (const { slice } of progress.heldSlices) {
    const forgiven = progress.forgivenSlices[slice];
    failures -= forgiven?.failures ?? 0;
    accepted -= forgiven?.accepted ?? 0;
    underWay -= forgiven?.underWay ?? 0;
  }
  // Slices of two facts may have a device in common, which was taken off twice.
  const atLeast = (count: number): number => Math.max(0, count);
  return { failures: atLeast(failures), accepted: atLeast(accepted), underWay: atLeast(underWay) };
}
