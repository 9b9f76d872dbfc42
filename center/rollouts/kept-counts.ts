// SPDX-License-Identifier: Apache-2.0
/** The counts of a rollout on their way into its document, before its attempts go, and back. */
import { emptyCounts } from "../../domain/attempt-counts.ts";
import type { PrunedAttempts } from "./pruned-attempts.ts";
import type { PlanRecord } from "./rollout-record.ts";
import type { Counted } from "./stored-counts.ts";

/** To be stored by the commit that deletes the first page. */
export function keepCounts({ counts, tally }: Counted, atMs: number): PrunedAttempts {
  return {
    atMs,
    isWhole: false,
    waves: counts.map((wave) => ({ ...wave, byState: [...wave.byState] })),
    sites: tally.sites,
    slices: tally.plan.slices.map((_, index) => tally.slice(index)),
  };
}

/** The counts as they were when the pages were still there. */
export function countsKept(kept: PrunedAttempts, plan: PlanRecord): Counted {
  const nothing = { accepted: 0, failures: 0, sitesAccepted: 0, sitesFailed: 0 };
  return {
    counts: kept.waves.map((wave) => {
      const counts = { ...emptyCounts(), ...wave, byState: emptyCounts().byState };
      counts.byState.set(wave.byState);
      return counts;
    }),
    tally: {
      plan,
      sites: kept.sites,
      slice: (index) => kept.slices[index] ?? nothing,
    },
  };
}
