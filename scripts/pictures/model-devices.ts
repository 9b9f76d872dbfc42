// SPDX-License-Identifier: Apache-2.0
//
// The devices of the pictures: at fifty sites, five cells a site, at two gateways, one in twenty
// critical. Ordinals count from 1; what a device is follows from its ordinal.

import { deviceJson } from "../../center/devices/device-record.ts";
import { HOURS_A_WEEK, setOnline } from "../../domain/availability-page.ts";
import type { DeviceWrite } from "../../ports/store.ts";

const SITES = 50;
const CELL_DEVICES = 4;

export const siteOf = (ordinal: number): number => (ordinal - 1) % SITES;
export const gatewayOf = (ordinal: number): number => 1 + (ordinal % 2);
export const isCritical = (ordinal: number): boolean => (ordinal - 1) % 20 === 0;
export const siteName = (ordinal: number): string => `site-${siteOf(ordinal)}`;

/** Its site's devices, four by four. */
export function cellName(ordinal: number): string {
  const inSite = Math.floor((ordinal - 1) / SITES);
  return `${siteOf(ordinal)}-${Math.floor(inSite / CELL_DEVICES)}`;
}

export function modelDevice(ordinal: number, tenant: string, registeredAtMs: number): DeviceWrite {
  const index = ordinal - 1;
  const record = {
    region: index % 2 === 0 ? "eu" : "us",
    site: siteName(ordinal),
    labels: { ring: index % 10 === 0 ? "canary" : "early", cell: cellName(ordinal) },
    serviceLevel: "",
    critical: isCritical(ordinal),
    retired: false,
    inventory: { hwRevision: index % 8 < 2 ? "rev-b" : "rev-a" },
    agent: "",
    registeredAtMs,
  };
  const id = `device-${index}`;
  return { ordinal: 0, tenant, id, expectedRevision: 0, value: deviceJson(record) };
}

/** One device in twenty is never online, another one from ten to noon only. */
export function awayHours(ordinals: Uint32Array, always: Uint8Array): Uint8Array {
  const hours = Uint8Array.from(always);
  ordinals.forEach((ordinal, position) => {
    const place = ordinal % 20;
    if (place > 1) return;
    for (let hour = 0; hour < HOURS_A_WEEK; hour++) {
      const isThere = place === 1 && hour % 24 >= 10 && hour % 24 < 12;
      setOnline(hours, position, hour, isThere);
    }
  });
  return hours;
}
