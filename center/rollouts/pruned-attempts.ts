// SPDX-License-Identifier: Apache-2.0
/**
 * What is kept in the document of a rollout whose attempts were deleted: its final counts, as
 * screens and gates saw them, and when that was.
 */
import { formatInstant } from "../../domain/civil-time.ts";
import type { KeptCounts } from "./kept-counts.ts";

export interface PrunedAttempts extends KeptCounts {
  /** Wall time of the first deletion. */
  readonly atMs: number;
  /** False while some of its pages wait for the next deletion. */
  readonly isWhole: boolean;
}

/** Why no command reaches the devices of such a rollout any more. */
export function lossOf(kept: PrunedAttempts): string {
  const when = formatInstant(kept.atMs);
  return `its attempts were deleted at ${when}, and with them what each device ran before`;
}
