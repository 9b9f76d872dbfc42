// SPDX-License-Identifier: Apache-2.0
/**
 * Windows: times of the week at which something may begin, told by the clock on a device's wall.
 * A window is open exactly while that clock shows a time within it. So an hour that the clock skips
 * in spring holds no window, and an hour that it shows twice in autumn holds it twice; nothing ever
 * begins while the wall says that it may not. One that goes over midnight belongs to the day on
 * which it opens.
 *
 * Pure: the time zone's rules are those of the JavaScript engine (Intl), the instant is given.
 */
import { MINUTE_MS } from "./civil-time.ts";

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Day = (typeof DAYS)[number];

export const DAY_MINUTES = 1_440;

export interface Window {
  /** The days on which it opens. */
  readonly days: readonly Day[];
  /** Minutes after midnight, 0–1,439. */
  readonly fromMinute: number;
  /** The first minute outside, 1–1,440; at or before `fromMinute`: of the next day. */
  readonly toMinute: number;
}

/** 1970-01-01 was a Thursday. */
const FIRST_DAY = 3;
/** Every zone that there is, under every name, fits twice. */
const MAX_FORMATS = 1_200;

interface ZoneFormat {
  readonly format: Intl.DateTimeFormat;
  /** Since 1970: the last one asked for, and what the zone's clock is ahead then; NaN = none. */
  minute: number;
  offset: number;
}

const formats = new Map<string, ZoneFormat>();

/** Is it a time zone by its IANA name, as `Europe/Berlin` or `UTC`? */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+){0,3}$/.test(name)) return false;
  try {
    formatOf(name);
    return true;
  } catch {
    return false; // A RangeError: the engine knows no such zone.
  }
}

/** What the wall's clock is ahead of UTC, in minutes. Throws RangeError for an unknown zone. */
export function offsetMinutes(timeZone: string, atMs: number): number {
  const format = formatOf(timeZone);
  const minute = Math.floor(atMs / MINUTE_MS);
  // Asked for one zone and minute, it is mostly asked again; formatting takes microseconds.
  if (format.minute !== minute) {
    format.offset = readOffset(format.format, atMs);
    format.minute = minute;
  }
  return format.offset;
}

function readOffset(format: Intl.DateTimeFormat, atMs: number): number {
  const parts = format.formatToParts(atMs);
  const text = parts.find(({ type }) => type === "timeZoneName")?.value ?? "";
  // `GMT` or `GMT+05:45`; zones of long ago also have seconds, which no window needs.
  const match = /GMT([+-])(\d\d):(\d\d)/.exec(text);
  if (match === null) return 0;
  const minutes = Number(match[2]) * 60 + Number(match[3]);
  return match[1] === "-" ? -minutes : minutes;
}

/** No window at all is open at any time. */
export function isOpenAt(windows: readonly Window[], timeZone: string, atMs: number): boolean {
  if (windows.length === 0) return true;
  const local = Math.floor(atMs / MINUTE_MS) + offsetMinutes(timeZone, atMs);
  return windows.some((window) => contains(window, local));
}

/**
 * The first instant after `atMs` at which it opens, or closes, whichever is not the case now; null
 * when that does not happen within eight days, which is to say never.
 */
export function nextChangeAfter(
  windows: readonly Window[],
  timeZone: string,
  atMs: number,
): number | null {
  const before = isOpenAt(windows, timeZone, atMs);
  const bounds = boundsOf(windows);
  const lastMs = atMs + 8 * DAY_MINUTES * MINUTE_MS;
  for (let cursorMs = atMs; cursorMs < lastMs;) {
    cursorMs = nextBound(bounds, timeZone, cursorMs);
    if (isOpenAt(windows, timeZone, cursorMs) !== before) return cursorMs;
  }
  return null;
}

function contains({ days, fromMinute, toMinute }: Window, localMinutes: number): boolean {
  const day = Math.floor(localMinutes / DAY_MINUTES);
  const minute = localMinutes - day * DAY_MINUTES;
  const isOn = (which: number): boolean => {
    const name = DAYS[(((which + FIRST_DAY) % 7) + 7) % 7];
    return name !== undefined && days.includes(name);
  };
  if (fromMinute < toMinute) return isOn(day) && minute >= fromMinute && minute < toMinute;
  return (isOn(day) && minute >= fromMinute) || (isOn(day - 1) && minute < toMinute);
}

/** Minutes of a day at which some window may change; midnight, too, for days differ. */
function boundsOf(windows: readonly Window[]): number[] {
  const bounds = windows.flatMap(({ fromMinute, toMinute }) => [fromMinute, toMinute]);
  return [...new Set([0, ...bounds.map((bound) => bound % DAY_MINUTES)])].sort((a, b) => a - b);
}

/** The next bound on the wall's clock, or the moment at which that clock is set. */
function nextBound(bounds: readonly number[], timeZone: string, atMs: number): number {
  const offset = offsetMinutes(timeZone, atMs);
  const local = Math.floor(atMs / MINUTE_MS) + offset;
  const midnight = Math.floor(local / DAY_MINUTES) * DAY_MINUTES;
  const bound = bounds.find((minute) => midnight + minute > local) ?? DAY_MINUTES;
  const boundMs = (midnight + bound - offset) * MINUTE_MS;
  if (offsetMinutes(timeZone, boundMs) === offset) return boundMs;
  let [beforeMs, afterMs] = [Math.floor(atMs / MINUTE_MS) * MINUTE_MS, boundMs];
  while (afterMs - beforeMs > MINUTE_MS) {
    const middleMs = Math.floor((beforeMs + afterMs) / 2 / MINUTE_MS) * MINUTE_MS;
    if (offsetMinutes(timeZone, middleMs) === offset) beforeMs = middleMs;
    else afterMs = middleMs;
  }
  return afterMs;
}

function formatOf(timeZone: string): ZoneFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
  if (formats.size >= MAX_FORMATS) formats.clear();
  const made = { format, minute: Number.NaN, offset: 0 };
  formats.set(timeZone, made);
  return made;
}
