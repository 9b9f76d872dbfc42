// SPDX-License-Identifier: Apache-2.0
/**
 * How fast a rollout may move its bytes: to one device, to one site, and out of one gateway. 0 = no
 * cap. Counted at each gateway (`gateway/artifacts/pacer.ts`).
 *
 * At a place a rollout never moves more than its own cap, and all rollouts that have a cap there
 * move together no more than the largest of theirs.
 */
import { MusterError } from "./errors.ts";

/** Contiguous positions [start, end). */
interface Range {
  readonly start: number;
  readonly end: number;
}

export interface Bandwidth {
  readonly deviceBytesPerSecond: number;
  readonly siteBytesPerSecond: number;
  readonly gatewayBytesPerSecond: number;
}

export const NO_BANDWIDTH: Bandwidth = {
  deviceBytesPerSecond: 0,
  siteBytesPerSecond: 0,
  gatewayBytesPerSecond: 0,
};

/** Below it, a piece of 64 KiB would take longer than a connection may be silent. */
export const LEAST_BYTES_PER_SECOND = 16_384;
/** More than any network card: 1 TiB/s. */
const MOST_BYTES_PER_SECOND: number = 2 ** 40;

export function hasBandwidth(bandwidth: Bandwidth): boolean {
  const { deviceBytesPerSecond, siteBytesPerSecond, gatewayBytesPerSecond } = bandwidth;
  return deviceBytesPerSecond + siteBytesPerSecond + gatewayBytesPerSecond > 0;
}

/** Throws `invalid_argument`; 0 = no cap. */
export function checkRate(bytesPerSecond: number, field: string): number {
  const isCap = bytesPerSecond >= LEAST_BYTES_PER_SECOND && bytesPerSecond <= MOST_BYTES_PER_SECOND;
  if (bytesPerSecond === 0 || isCap) return bytesPerSecond;
  throw new MusterError({
    code: "invalid_argument",
    message: `${field === "" ? "" : `${field} `}is not between 16KiB/s and 1TiB/s`,
    detail: { ...(field === "" ? {} : { field }), hint: "write a rate like 512KiB/s or 10MiB/s" },
  });
}

/** `10MiB/s` → bytes a second. Throws `invalid_argument`. */
export function parseRate(text: string, field: string): number {
  const match = /^(\d{1,6}(?:\.\d{1,3})?)(KiB|MiB|GiB)\/s$/.exec(text.trim());
  if (match === null) {
    throw new MusterError({
      code: "invalid_argument",
      message: `${JSON.stringify(text.slice(0, 80))} is not a rate like 10MiB/s`,
      detail: {
        ...(field === "" ? {} : { field }),
        hint: "write a number with KiB/s, MiB/s or GiB/s",
      },
    });
  }
  const power = ["KiB", "MiB", "GiB"].indexOf(match[2] ?? "") + 1;
  return checkRate(Math.round(Number(match[1]) * 1_024 ** power), field);
}

/** What each planned device has to fetch, and where it stands. */
export interface PlannedTransfers {
  bytesAt(position: number): number;
  /** "" = none. */
  siteAt(position: number): string;
  regionAt(position: number): string;
}

export interface TransferTimes {
  /** Of the device that has most to fetch: so long each attempt takes at least. */
  readonly deviceMs: number;
  /** Of the site or region that has most: so long the wave takes at least. */
  readonly placeMs: number;
}

/** What caps add to a wave. As if each region had one gateway: a plan knows no more. */
export function transferTimes(
  bandwidth: Bandwidth,
  transfers: PlannedTransfers,
  wave: Range,
): TransferTimes {
  const time = (bytesPerSecond: number, mostBytes: () => number): number =>
    bytesPerSecond === 0 ? 0 : Math.ceil((mostBytes() * 1_000) / bytesPerSecond);
  const { deviceBytesPerSecond, siteBytesPerSecond, gatewayBytesPerSecond } = bandwidth;
  const bytesAt = (position: number): number => transfers.bytesAt(position);
  const perSite = (): number =>
    largestSum(wave, bytesAt, (position) => transfers.siteAt(position) || null);
  const perRegion = (): number =>
    largestSum(wave, bytesAt, (position) => transfers.regionAt(position));
  return {
    deviceMs: time(deviceBytesPerSecond, () => largest(wave, bytesAt)),
    placeMs: Math.max(time(siteBytesPerSecond, perSite), time(gatewayBytesPerSecond, perRegion)),
  };
}

function largest({ start, end }: Range, bytesAt: (position: number) => number): number {
  let most = 0;
  for (let position = start; position < end; position++) most = Math.max(most, bytesAt(position));
  return most;
}

/** Of the place that has most; `placeAt` null = the device stands nowhere. */
function largestSum(
  { start, end }: Range,
  bytesAt: (position: number) => number,
  placeAt: (position: number) => string | null,
): number {
  const sums = new Map<string, number>();
  let most = 0;
  for (let position = start; position < end; position++) {
    const place = placeAt(position);
    if (place === null) continue;
    const sum = (sums.get(place) ?? 0) + bytesAt(position);
    sums.set(place, sum);
    most = Math.max(most, sum);
  }
  return most;
}
