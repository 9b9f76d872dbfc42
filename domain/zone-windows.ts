// SPDX-License-Identifier: Apache-2.0
/**
 * A rollout's windows in the time zones of its devices. They are evaluated once a minute and zone,
 * never per device: positions name their zone by its index in the plan.
 */
import { MINUTE_MS } from "./civil-time.ts";
import type { DeviceFacts } from "./device.ts";
import { isOpenAt, isTimeZone, nextChangeAfter, type Window } from "./window.ts";

export interface WindowPolicy {
  /** When an install may begin; none = at any time. One that has begun is never broken off. */
  readonly install: readonly Window[];
  /** When bytes may be fetched; none = at any time. */
  readonly download: readonly Window[];
  /** The zone of all of them, by its IANA name, or DEVICE_ZONE. */
  readonly timeZone: string;
  /** For devices that state no zone, or none that there is. */
  readonly defaultTimeZone: string;
}

/** Each device's own zone: its label `timeZone`, else the fact `timeZone` of its inventory. */
export const DEVICE_ZONE = "device";
export const ZONE_FACT = "timeZone";

export const NO_WINDOWS: WindowPolicy = {
  install: [],
  download: [],
  timeZone: DEVICE_ZONE,
  defaultTimeZone: "UTC",
};

export type WindowKind = "install" | "download";

export type OpenWindows = { readonly [kind in WindowKind]: boolean };

export function hasWindows(policy: WindowPolicy): boolean {
  return policy.install.length + policy.download.length > 0;
}

/** The zone in which a device's windows are, and whether nobody stated it. */
export function zoneOf(
  policy: WindowPolicy,
  device: Pick<DeviceFacts, "labels" | "inventory">,
): { readonly name: string; readonly isAssumed: boolean } {
  if (policy.timeZone !== DEVICE_ZONE) return { name: policy.timeZone, isAssumed: false };
  const stated = device.labels[ZONE_FACT] ?? device.inventory[ZONE_FACT] ?? "";
  const isKnown = isTimeZone(stated);
  return { name: isKnown ? stated : policy.defaultTimeZone, isAssumed: !isKnown };
}

export interface ZoneWindows {
  readonly policy: WindowPolicy;
  /** By index. */
  readonly names: readonly string[];
  /** Indexes of the zones in which each wave has devices. */
  readonly byWave: readonly (readonly number[])[];
  /** By index. */
  openAt(wallMs: number): readonly OpenWindows[];
}

/** Remembers the minute that it was asked about last; the answers depend on the arguments alone. */
export function createZoneWindows(options: {
  readonly policy: WindowPolicy;
  readonly names: readonly string[];
  readonly byWave: readonly (readonly number[])[];
}): ZoneWindows {
  const { policy, names } = options;
  let minute = Number.NaN;
  let open: readonly OpenWindows[] = [];
  return {
    ...options,
    openAt: (wallMs) => {
      const asked = Math.floor(wallMs / MINUTE_MS);
      if (asked === minute) return open;
      minute = asked;
      open = names.map((name) => ({
        install: isOpenAt(policy.install, name, wallMs),
        download: isOpenAt(policy.download, name, wallMs),
      }));
      return open;
    },
  };
}

/** The first opening of a window of that kind in any of these zones; null = none is closed. */
export function nextOpening(
  windows: ZoneWindows,
  zones: readonly number[],
  kind: WindowKind,
  wallMs: number,
): { readonly zone: string; readonly atMs: number } | null {
  const open = windows.openAt(wallMs);
  let first: { zone: string; atMs: number } | null = null;
  for (const index of zones) {
    const zone = windows.names[index];
    if (zone === undefined || open[index]?.[kind] !== false) continue;
    const atMs = nextChangeAfter(windows.policy[kind], zone, wallMs);
    if (atMs !== null && (first === null || atMs < first.atMs)) first = { zone, atMs };
  }
  return first;
}
