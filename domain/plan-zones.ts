// SPDX-License-Identifier: Apache-2.0
/** The time zones of a plan, frozen with it: by position, as an index; null without windows. */
import { assert } from "./assert.ts";
import type { DeviceFacts } from "./device.ts";
import type { WaveRange } from "./rollout.ts";
import { createZoneWindows, zoneOf, type WindowPolicy, type ZoneWindows } from "./zone-windows.ts";

export interface PlanZone {
  readonly name: string;
  readonly deviceCount: number;
  /** Of them, devices that state no zone, or none that there is. */
  readonly assumedCount: number;
}

export interface PlanZones {
  /** In the order of their first position. */
  readonly zones: readonly PlanZone[];
  readonly byPosition: Uint16Array;
}

/** In whose time a device's windows are. */
export interface DeviceZone {
  readonly name: string;
  /** It states no zone, or none that there is. */
  readonly isAssumed: boolean;
}

/** `chosen`: of each device, in the order of the plan, an index of `kinds`. */
export function planZones(kinds: readonly DeviceZone[], chosen: Uint16Array): PlanZones {
  const indexes = new Map<string, number>();
  const zones: { name: string; deviceCount: number; assumedCount: number }[] = [];
  const byPosition = new Uint16Array(chosen.length);
  chosen.forEach((kind, position) => {
    const { name, isAssumed } = zoneIn(kinds, kind);
    let index = indexes.get(name);
    if (index === undefined) {
      index = zones.push({ name, deviceCount: 0, assumedCount: 0 }) - 1;
      indexes.set(name, index);
    }
    byPosition[position] = index;
    const zone = zones[index];
    if (zone === undefined) return;
    zone.deviceCount++;
    if (isAssumed) zone.assumedCount++;
  });
  return { zones, byPosition };
}

function zoneIn(kinds: readonly DeviceZone[], kind: number): DeviceZone {
  const zone = kinds[kind];
  assert(zone !== undefined, "a zone is one of those that were chosen");
  return zone;
}

/** Of a device that joins: the index of its zone; −1 = the plan has windows, none in its zone. */
export function zoneIndexOf(
  policy: WindowPolicy,
  zones: readonly PlanZone[],
  device: DeviceFacts,
): number {
  if (zones.length === 0) return 0;
  const { name } = zoneOf(policy, device);
  return zones.findIndex((zone) => zone.name === name);
}

/** The windows of a plan; null where it has none. */
export function windowsOf(
  policy: WindowPolicy,
  plan: { readonly zones: readonly PlanZone[]; readonly waves: readonly WaveRange[] },
  byPosition: Uint16Array | null,
): ZoneWindows | null {
  if (byPosition === null) return null;
  const names = plan.zones.map(({ name }) => name);
  const byWave = plan.waves.map(({ start, end }) => [...new Set(byPosition.subarray(start, end))]);
  return createZoneWindows({ policy, names, byWave });
}
