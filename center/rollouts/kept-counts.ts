// SPDX-License-Identifier: Apache-2.0
/**
 * The counts of a rollout in its document: kept when it ends, so that a list of ended rollouts, of
 * a million devices each, is shown without reading their attempts; and when its attempts go.
 */
import { z } from "zod";
import { ATTEMPT } from "../../domain/attempt.ts";
import { emptyCounts, type AttemptCounts } from "../../domain/attempt-counts.ts";
import type { WaveRange } from "../../domain/rollout.ts";
import type { SiteCounts, Tally, UnitCounts } from "../../domain/slice-tally.ts";

export interface KeptCounts {
  readonly waves: readonly {
    /** By state code. */
    readonly byState: readonly number[];
    readonly exposed: number;
    readonly failures: number;
    readonly unproven: number;
    readonly inFlight: number;
  }[];
  readonly sites: SiteCounts;
  /** In the order of the plan. */
  readonly slices: readonly UnitCounts[];
}

/** What is shown of a rollout's attempts. */
export interface Counted {
  /** By wave. */
  readonly counts: readonly AttemptCounts[];
  readonly tally: Tally;
}

/** The fields, as stored. */
export const KEPT_COUNTS: { readonly [key in keyof KeptCounts]: z.ZodType<KeptCounts[key]> } = {
  waves: z.array(
    z.strictObject({
      byState: z.array(z.int()),
      exposed: z.int(),
      failures: z.int(),
      unproven: z.int(),
      inFlight: z.int(),
    }),
  ),
  sites: z.strictObject({ accepted: z.int(), failed: z.int() }),
  slices: z.array(
    z.strictObject({
      accepted: z.int(),
      failures: z.int(),
      sitesAccepted: z.int(),
      sitesFailed: z.int(),
    }),
  ),
};

const NOTHING: UnitCounts = { accepted: 0, failures: 0, sitesAccepted: 0, sitesFailed: 0 };

/** As they are now; not what only a gate asks. */
export function keepCounts({ counts, tally }: Counted): KeptCounts {
  return {
    waves: counts.map(({ byState, exposed, failures, unproven, inFlight }) => {
      return { byState: [...byState], exposed, failures, unproven, inFlight };
    }),
    sites: tally.sites,
    slices: tally.plan.slices.map((_, index) => tally.slice(index)),
  };
}

/** The counts as `keepCounts` found them. */
export function countsKept(kept: KeptCounts, plan: Tally["plan"]): Counted {
  return {
    counts: kept.waves.map((wave) => {
      const counts = { ...emptyCounts(), ...wave, byState: emptyCounts().byState };
      counts.byState.set(wave.byState);
      return counts;
    }),
    tally: { plan, sites: kept.sites, slice: (index) => kept.slices[index] ?? NOTHING },
  };
}

/** Nobody was offered anything yet. */
export function countsBeforeStart(
  plan: Tally["plan"] & { readonly waves: readonly WaveRange[] },
): Counted {
  const counts = plan.waves.map(({ start, end }) => {
    const wave = emptyCounts();
    wave.byState[ATTEMPT.pending] = end - start;
    return wave;
  });
  return { counts, tally: { plan, sites: { accepted: 0, failed: 0 }, slice: () => NOTHING } };
}
