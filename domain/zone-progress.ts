// SPDX-License-Identifier: Apache-2.0
/**
 * What a rollout remembers of each time zone's windows, on the rollout's own clock: since when they
 * are closed, and from when the reach window of the current wave counts. Time in which a window is
 * closed counts to no deadline. It changes only when a window opens or closes, or a wave begins, so
 * that waiting for the night costs no writes.
 */
import type { OpenWindows, WindowKind } from "./zone-windows.ts";

export interface ZoneProgress {
  /** null = open. */
  readonly installClosedAtMs: number | null;
  readonly downloadClosedAtMs: number | null;
  /** Moved on by the time in which the install window was closed. */
  readonly reachFromMs: number;
}

/** A window of a zone has opened: attempts that waited for it go on with their deadlines. */
export interface WindowOpened {
  readonly kind: "window-opened";
  readonly zone: number;
  readonly window: WindowKind;
  readonly closedAtMs: number;
}

/** `open`: by zone, now. The same array comes back when nothing has changed. */
export function stepZones(
  before: readonly ZoneProgress[],
  open: readonly OpenWindows[],
  clockMs: number,
): { readonly zones: readonly ZoneProgress[]; readonly opened: readonly WindowOpened[] } {
  const opened: WindowOpened[] = [];
  let changed = before.length !== open.length;
  const zones = open.map(({ install, download }, zone) => {
    const known = before[zone] ?? {
      installClosedAtMs: null,
      downloadClosedAtMs: null,
      reachFromMs: clockMs,
    };
    const { installClosedAtMs, downloadClosedAtMs } = known;
    let after = known;
    if (install !== (installClosedAtMs === null)) {
      after = { ...after, installClosedAtMs: install ? null : clockMs };
      if (installClosedAtMs !== null) {
        opened.push({
          kind: "window-opened",
          zone,
          window: "install",
          closedAtMs: installClosedAtMs,
        });
        const closedMs = clockMs - Math.max(known.reachFromMs, installClosedAtMs);
        after = { ...after, reachFromMs: known.reachFromMs + closedMs };
      }
    }
    if (download !== (downloadClosedAtMs === null)) {
      after = { ...after, downloadClosedAtMs: download ? null : clockMs };
      if (downloadClosedAtMs !== null) {
        opened.push({
          kind: "window-opened",
          zone,
          window: "download",
          closedAtMs: downloadClosedAtMs,
        });
      }
    }
    changed ||= after !== known;
    return after;
  });
  return { zones: changed ? zones : before, opened };
}

/** A wave begins, or may reach its devices anew. */
export function restartReach(
  zones: readonly ZoneProgress[],
  clockMs: number,
): readonly ZoneProgress[] {
  return zones.length === 0 ? zones : zones.map((zone) => ({ ...zone, reachFromMs: clockMs }));
}

/** For how long the zone with the least of it has been able to reach its devices. */
export function reachedForMs(
  zones: readonly ZoneProgress[],
  ofWave: readonly number[],
  clockMs: number,
): number {
  let leastMs = Infinity;
  for (const index of ofWave) {
    const zone = zones[index];
    if (zone === undefined) return 0;
    const untilMs = zone.installClosedAtMs ?? clockMs;
    leastMs = Math.min(leastMs, Math.max(0, untilMs - zone.reachFromMs));
  }
  return leastMs;
}

export function isClosed(zone: ZoneProgress | undefined, window: WindowKind): boolean {
  if (zone === undefined) return false;
  return (window === "install" ? zone.installClosedAtMs : zone.downloadClosedAtMs) !== null;
}
