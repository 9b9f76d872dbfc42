// SPDX-License-Identifier: Apache-2.0
/**
 * When 4,096 devices were online, by ordinal: one bit an hour of the week, the newest week that was
 * watched. A rehearsal asks it who will be there.
 *
 * Layout (little-endian): u32 magic, u32 cell count, HOUR_BYTES of hours that were watched, then
 * HOUR_BYTES a device. Hours count from 1970 modulo 168, so a week begins on Thursday, 00:00 UTC.
 */
import { assert } from "./assert.ts";

export const HOUR_MS = 3_600_000;
export const HOURS_A_WEEK = 168;
export const HOUR_BYTES: number = HOURS_A_WEEK / 8;
const AVAILABILITY_CELLS = 4_096;
const MAGIC = 0x4d41_5631; // "MAV1"
const HEADER_BYTES = 8;
const PAGE_BYTES: number = HEADER_BYTES + HOUR_BYTES * (1 + AVAILABILITY_CELLS);

export interface AvailabilityPage {
  readonly number: number;
  readonly cellCount: number;
  readonly bytes: Uint8Array;
  /** The hours in which anybody looked, as one device's hours. */
  readonly watched: Uint8Array;
  /** HOUR_BYTES a device; index = ordinal % 4,096. */
  readonly hours: Uint8Array;
}

/** Nothing watched yet. */
export function createAvailabilityPage(number: number): AvailabilityPage {
  const bytes = new Uint8Array(PAGE_BYTES);
  const header = new DataView(bytes.buffer);
  header.setUint32(0, MAGIC, true);
  header.setUint32(4, AVAILABILITY_CELLS, true);
  return viewPage(number, bytes);
}

/** Reads stored bytes into a page of its own. */
export function decodeAvailabilityPage(number: number, bytes: Uint8Array): AvailabilityPage {
  return viewPage(number, bytes.slice());
}

function viewPage(number: number, bytes: Uint8Array): AvailabilityPage {
  assert(bytes.byteLength === PAGE_BYTES, "an availability page has its one length");
  const header = new DataView(bytes.buffer);
  assert(header.getUint32(0, true) === MAGIC, "an availability page begins with its magic");
  const watched = bytes.subarray(HEADER_BYTES, HEADER_BYTES + HOUR_BYTES);
  const hours = bytes.subarray(HEADER_BYTES + HOUR_BYTES);
  return { number, cellCount: AVAILABILITY_CELLS, bytes, watched, hours };
}

/** Which page and which of its devices an ordinal is. */
export function availabilityCell(ordinal: number): { page: number; cell: number } {
  return {
    page: Math.floor(ordinal / AVAILABILITY_CELLS),
    cell: ordinal % AVAILABILITY_CELLS,
  };
}

/** `hour`: since 1970. `hours`: HOUR_BYTES a device. */
export function wasOnline(hours: Uint8Array, device: number, hour: number): boolean {
  const bit = hour % HOURS_A_WEEK;
  return ((hours[device * HOUR_BYTES + (bit >> 3)] ?? 0) & (1 << (bit & 7))) !== 0;
}

export function setOnline(hours: Uint8Array, device: number, hour: number, online: boolean): void {
  const bit = hour % HOURS_A_WEEK;
  const at = device * HOUR_BYTES + (bit >> 3);
  const mask = 1 << (bit & 7);
  const byte = hours[at] ?? 0;
  hours[at] = online ? byte | mask : byte & ~mask;
}

/**
 * A device's week with the hours that nobody watched filled in: it is taken to be there as in most
 * of the hours that were watched; where none were, as it is now.
 */
export function completeWeek(
  page: AvailabilityPage | undefined,
  cell: number,
  isOnlineNow: boolean,
): Uint8Array {
  if (page === undefined) return new Uint8Array(HOUR_BYTES).fill(isOnlineNow ? 0xff : 0);
  const week = new Uint8Array(HOUR_BYTES);
  const unwatched: number[] = [];
  let onlineCount = 0;
  for (let hour = 0; hour < HOURS_A_WEEK; hour++) {
    if (!wasOnline(page.watched, 0, hour)) {
      unwatched.push(hour);
    } else if (wasOnline(page.hours, cell, hour)) {
      onlineCount++;
      setOnline(week, 0, hour, true);
    }
  }
  const watchedCount = HOURS_A_WEEK - unwatched.length;
  const isMostlyOnline = watchedCount === 0 ? isOnlineNow : onlineCount * 2 > watchedCount;
  for (const hour of unwatched) setOnline(week, 0, hour, isMostlyOnline);
  return week;
}
