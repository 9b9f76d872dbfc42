// SPDX-License-Identifier: Apache-2.0
/**
 * What is kept in the document of a rollout whose attempts were deleted: its final counts, as
 * screens and gates saw them, and when that was.
 */
import { formatInstant } from "../../domain/civil-time.ts";
import type { SiteCounts, UnitCounts } from "../../domain/slice-tally.ts";

export interface PrunedAttempts {
  /** Wall time of the first deletion. */
  readonly atMs: number;
  /** False while some of its pages wait for the next deletion. */
  readonly isWhole: boolean;
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

/** Why no command reaches the devices of such a rollout any more. */
export function lossOf(kept: PrunedAttempts): string {
  const when = formatInstant(kept.atMs);
  return `its attempts were deleted at ${when}, and with them what each device ran before`;
}
