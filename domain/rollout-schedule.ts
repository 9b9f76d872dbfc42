// SPDX-License-Identifier: Apache-2.0
/** `notBefore` and `expires`: what wall time says about a rollout, and in which words. */
import { formatInstant } from "./civil-time.ts";
import { reachedForMs } from "./zone-progress.ts";
import { nextOpening, type ZoneWindows } from "./zone-windows.ts";
import type { RolloutProgress, RolloutSpec, RolloutState } from "./rollout.ts";

/** Why the first wave is not opened yet; null = it is due. */
export function waitsForStart(spec: RolloutSpec, wallMs: number): string | null {
  if (wallMs >= spec.notBeforeMs) return null;
  return `waiting until ${formatInstant(spec.notBeforeMs)} (notBefore)`;
}

/** Paused ones expire too: nobody may resume months later what was meant for one night. */
export function hasExpired(spec: RolloutSpec, state: RolloutState, wallMs: number): boolean {
  if (spec.expiresAtMs === 0 || wallMs < spec.expiresAtMs) return false;
  return state === "running" || state === "paused";
}

export function expiryReason(spec: RolloutSpec): string {
  return `it expired at ${formatInstant(spec.expiresAtMs)}`;
}

/** Why attempts that were never accepted are closed when a rollout stops. */
export function closingReason(progress: RolloutProgress): "rollout-expired" | "rollout-stopped" {
  return progress.hasExpired ? "rollout-expired" : "rollout-stopped";
}

/** What a wave's sentence has behind it while every install window of its devices is closed. */
export function waitsForWindow(zones: ZoneWindows | null, wave: number, wallMs: number): string {
  const ofWave = zones?.byWave[wave] ?? [];
  const open = zones?.openAt(wallMs) ?? [];
  if (zones === null || ofWave.some((zone) => open[zone]?.install !== false)) return "";
  const next = nextOpening(zones, ofWave, "install", wallMs);
  if (next === null) return "";
  return `; the install window of ${next.zone} opens at ${formatInstant(next.atMs)}`;
}

/** How long the current wave has been able to reach its devices; closed windows count to none. */
export function reachableForMs(zones: ZoneWindows | null, progress: RolloutProgress): number {
  const { clockMs, waveCount } = progress;
  if (zones === null) return clockMs - progress.waveOpenedAtMs;
  return reachedForMs(progress.zones, zones.byWave[waveCount - 1] ?? [], clockMs);
}
