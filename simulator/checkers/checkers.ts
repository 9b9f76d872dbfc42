// SPDX-License-Identifier: Apache-2.0
/**
 * The invariants of a rollout, each with the checker that finds out whether a history keeps it.
 * They hold under crashes, cut connections, repeated and reordered messages alike.
 */
import { checkAudit } from "./check-audit.ts";
import { checkEndings } from "./check-endings.ts";
import { checkEvidence } from "./check-evidence.ts";
import { checkActivations, checkGenerations } from "./check-generations.ts";
import { checkBlastRadius, checkInFlight } from "./check-limits.ts";
import { checkReports } from "./check-reports.ts";
import { checkRollbacks } from "./check-rollbacks.ts";
import { checkStops } from "./check-stops.ts";
import { checkWaves } from "./check-waves.ts";
import type { Checker, History, Violation } from "./history.ts";

export const CHECKERS: { readonly [invariant: string]: Checker } = {
  "in-flight": checkInFlight,
  "blast-radius": checkBlastRadius,
  generations: checkGenerations,
  activations: checkActivations,
  endings: checkEndings,
  reports: checkReports,
  evidence: checkEvidence,
  waves: checkWaves,
  stops: checkStops,
  rollbacks: checkRollbacks,
  audit: checkAudit,
};

/** Every violation that any checker finds. */
export function checkAll(history: History): readonly Violation[] {
  return Object.values(CHECKERS).flatMap((check) => check(history));
}
