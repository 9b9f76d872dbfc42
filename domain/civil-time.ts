// SPDX-License-Identifier: Apache-2.0
/**
 * Instants and what a calendar calls them, without the system's date: the proleptic Gregorian
 * calendar, UTC. After Howard Hinnant, "chrono-compatible low-level date algorithms".
 */
import { MusterError } from "./errors.ts";

export const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;

/** `2026-12-01 21:00:30Z`, without the seconds where they are 0. */
export function formatInstant(atMs: number): string {
  const days = Math.floor(atMs / DAY_MS);
  const { year, month, day } = civilOf(days);
  const seconds = Math.floor((atMs - days * DAY_MS) / 1_000);
  const clock = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = (clock[2] === 0 ? clock.slice(0, 2) : clock).map((part) => pad(part, 2));
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)} ${shown.join(":")}Z`;
}

const INSTANT =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?(?:\.\d+)? ?(Z|[+-]\d\d:?\d\d)?$/i;

/**
 * Reads `2026-12-01T22:00:00+01:00` (RFC 3339; the seconds may be left out). Throws
 * `invalid_argument` naming `field`; a time without its zone is one.
 */
export function parseInstant(text: string, field: string): number {
  const match = INSTANT.exec(text.trim());
  if (match === null) throw notAnInstant(text, field, "is not an instant");
  const [year, month, day, hour, minute, second] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0));
  const zone = match[7];
  if (zone === undefined) throw notAnInstant(text, field, "does not say in which time zone it is");
  const days = daysOf(year ?? 0, month ?? 0, day ?? 0);
  const isDay = days !== null && (hour ?? 0) < 24 && (minute ?? 0) < 60 && (second ?? 0) < 60;
  if (!isDay) throw notAnInstant(text, field, "is not a moment that the calendar has");
  const sinceMidnightMs = (((hour ?? 0) * 60 + (minute ?? 0)) * 60 + (second ?? 0)) * 1_000;
  return days * DAY_MS + sinceMidnightMs - offsetMsOf(zone);
}

function offsetMsOf(zone: string): number {
  if (zone.toUpperCase() === "Z") return 0;
  const digits = zone.replace(":", "");
  const minutes = Number(digits.slice(1, 3)) * 60 + Number(digits.slice(3, 5));
  return (digits.startsWith("-") ? -minutes : minutes) * MINUTE_MS;
}

function notAnInstant(text: string, field: string, problem: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `${JSON.stringify(text.slice(0, 100))} ${problem}`,
    detail: { field, hint: "write it like 2026-12-01T22:00:00+01:00 or 2026-12-01T21:00:00Z" },
  });
}

/** Days since 1970-01-01; null where the calendar has no such day. */
function daysOf(year: number, month: number, day: number): number | null {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const ofEra = shifted - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const days =
    era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear;
  const found = civilOf(days - 719_468);
  const isSame = found.year === year && found.month === month && found.day === day;
  return isSame ? days - 719_468 : null;
}

function civilOf(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const ofEra = shifted - era * 146_097;
  const leaps =
    Math.floor(ofEra / 1_460) - Math.floor(ofEra / 36_524) + Math.floor(ofEra / 146_096);
  const yearOfEra = Math.floor((ofEra - leaps) / 365);
  const leapDays = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  const ofYear = ofEra - (365 * yearOfEra + leapDays);
  const shiftedMonth = Math.floor((5 * ofYear + 2) / 153);
  const day = ofYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, "0");
}
