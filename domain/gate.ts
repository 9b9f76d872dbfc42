// SPDX-License-Identifier: Apache-2.0
/**
 * The gate: what stops a rollout and what lets its next wave start. Counted on what was *accepted*
 * (n), failures so far (k); a pending attempt is a non-failure. Never on group totals: offline
 * devices must not dilute failures.
 */
import { ATTEMPT } from "./attempt.ts";
import type { AttemptCounts } from "./attempt-counts.ts";
import type { GatePolicy } from "./rollout.ts";
import { countOf } from "./units.ts";

export type StopVerdict = { readonly stop: false } | { readonly stop: true; readonly why: string };

/** What an operator had seen when he resumed. */
export interface Forgiven {
  readonly failures: number;
  readonly accepted: number;
  /** Accepted and undecided then: their failures may still come, and are not of what came after. */
  readonly underWay: number;
}

export const NOTHING_FORGIVEN: Forgiven = { failures: 0, accepted: 0, underWay: 0 };

/** k and n of the gate, since the start. */
export interface GateEvidence {
  readonly failures: number;
  readonly accepted: number;
  readonly forgiven: Forgiven;
}

/**
 * A rule that may stop a rollout. It is asked after every batch and needs only (k, n), so it
 * replays from stored counts.
 */
export interface StopRule {
  readonly name: string;
  verdict(evidence: GateEvidence): StopVerdict;
}

/** Stops at `maxFailures` failures that nobody has resumed over. */
export function countsRule(maxFailures: number): StopRule {
  return {
    name: "counts",
    verdict: ({ failures, accepted, forgiven }) => {
      const unforgiven = failures - forgiven.failures;
      if (unforgiven < maxFailures) return { stop: false };
      const why =
        `${unforgiven} of the ${accepted} devices that accepted have failed; ` +
        `the limit is ${maxFailures}`;
      return { stop: true, why };
    },
  };
}

export type WaveVerdict =
  /** `why`: what it is waiting for. */
  | { readonly kind: "waiting"; readonly why: string }
  | { readonly kind: "passed" }
  | { readonly kind: "stop"; readonly why: string };

/**
 * May the wave after this one start? Devices that were not reached within the reach window are in
 * the tail and hold nothing up.
 */
export function judgeWave(
  counts: AttemptCounts,
  policy: GatePolicy,
  options: {
    openForMs: number;
    reachMs: number;
    /** Failures of the rollout that no operator has resumed over. */
    unforgivenFailures: number;
    /** Test-only switches for planted bugs; none where nothing is said. */
    isPlanted?: (name: string) => boolean;
    /** Pending ones that are not offered because their slice is held: nobody waits for them. */
    heldCount?: number;
  },
): WaveVerdict {
  const of = (state: keyof typeof ATTEMPT): number => counts.byState[ATTEMPT[state]] ?? 0;
  const notReached = of("pending") + of("offered") - (options.heldCount ?? 0);
  const underWay = counts.inFlight - of("offered");
  const { isPlanted = () => false } = options;
  // The planted bug: the gate judges what is decided and does not wait for the rest.
  const waits = underWay > 0 && !isPlanted("gate.under-way-passes");
  if (waits) return { kind: "waiting", why: `${countOf(underWay, "attempt")} under way` };
  if (notReached > 0 && options.openForMs < options.reachMs) {
    return { kind: "waiting", why: `${countOf(notReached, "device")} not reached yet` };
  }
  const succeeded = of("succeeded");
  const bad = of("failed") + of("rolled-back") + of("timed-out") + of("lost");
  const failed = bad - counts.putBack;
  const decided = succeeded + Math.min(failed, options.unforgivenFailures);
  // The planted bug: the share is that of the whole wave, devices that are offline included.
  const judged = isPlanted("gate.of-the-whole-wave") ? decided + notReached : decided;
  if (succeeded * 100 >= policy.minSuccessPercent * judged) return { kind: "passed" };
  const why =
    `${succeeded} of ${decided} decided attempts succeeded; ` +
    `the gate wants ${policy.minSuccessPercent} %`;
  // Few decided attempts prove nothing: of three devices one failure is 33 %. Nor do they pass.
  if (decided < policy.minSample && notReached > 0) {
    return { kind: "waiting", why: `${why}, judged from ${policy.minSample} on` };
  }
  return { kind: "stop", why };
}
