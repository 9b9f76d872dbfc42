// SPDX-License-Identifier: Apache-2.0
/** Whether a rollout's record is worth a write. */
import type { RolloutRecord } from "./rollout-record.ts";

/** How often the clock of a rollout in which nothing else happens is saved. */
const CLOCK_SAVE_MS = 1_000;

/** The clock alone is saved once a second: a crash sets it back by that much at most. */
export function hasChanged(record: RolloutRecord, saved: RolloutRecord): boolean {
  if (record === saved) return false;
  const { progress } = record;
  if (progress.clockMs - saved.progress.clockMs >= CLOCK_SAVE_MS) return true;
  const sameClock = { ...progress, clockMs: saved.progress.clockMs };
  return JSON.stringify({ ...record, progress: sameClock }) !== JSON.stringify(saved);
}
