// SPDX-License-Identifier: Apache-2.0
/** Amounts and durations as people write them: `50`, `10%`, `30s`, `14d`. */
import { MusterError } from "./errors.ts";

/** A number of devices, or a share of some total. */
export type Amount = { readonly count: number } | { readonly percent: number };

/** Reads `50` or `10%` (0–100, fractions allowed). Throws `invalid_argument` naming `field`. */
export function parseAmount(text: string, field: string): Amount {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text.trim());
  if (match !== null) {
    const value = Number(match[1]);
    if (match[2] === "%" && value <= 100) return { percent: value };
    if (match[2] === "" && Number.isInteger(value) && value <= 0xffff_ffff) return { count: value };
  }
  throw new MusterError({
    code: "invalid_argument",
    message: `${JSON.stringify(text)} is neither a count like 50 nor a percentage like 10%`,
    detail: { field },
  });
}

/** `50` or `10%`. */
export function formatAmount(amount: Amount): string {
  return "count" in amount ? String(amount.count) : `${amount.percent}%`;
}

/**
 * How many of `total` an amount allows, as a limit: a percentage rounds down, but never to 0 when
 * it is above 0, for a limit of no device would let nothing start.
 */
export function limitOf(amount: Amount, total: number): number {
  if ("count" in amount) return amount.count;
  if (amount.percent === 0 || total === 0) return 0;
  return Math.max(1, Math.floor(shareOf(amount.percent, total)));
}

/** How many of `total` an amount means, as a size: a percentage rounds up; never above `total`. */
export function sizeOf(amount: Amount, total: number): number {
  const size = "count" in amount ? amount.count : Math.ceil(shareOf(amount.percent, total));
  return Math.min(size, total);
}

/** To a millionth of a device: 1.1 % of 1,000 is 11, and not 11.000000000000002. */
function shareOf(percent: number, total: number): number {
  return Math.round(percent * total * 10_000) / 1_000_000;
}

/** `1 device`, `12 devices`: for sentences. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/** Longest duration anyone may state: ten years. */
export const MAX_DURATION_MS: number = 3_650 * 86_400_000;

/** Reads `500ms`, `30s`, `5m`, `2h`, `14d`. Throws `invalid_argument` naming `field`. */
export function parseDurationMs(text: string, field: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  const durationMs = match === null ? Number.NaN : Number(match[1]) * unitMs(match[2] ?? "");
  if (durationMs <= MAX_DURATION_MS) return Math.round(durationMs);
  throw new MusterError({
    code: "invalid_argument",
    message: `${JSON.stringify(text)} is not a duration like 500ms, 30s, 5m, 2h or 14d`,
    detail: { field },
  });
}

function unitMs(unit: string): number {
  return UNIT_MS.get(unit) ?? Number.NaN;
}

/** The shortest exact form: 90000 → `90s`, 86400000 → `1d`. */
export function formatDuration(durationMs: number): string {
  for (const unit of ["d", "h", "m", "s"]) {
    const size = unitMs(unit);
    if (durationMs >= size && durationMs % size === 0) return `${durationMs / size}${unit}`;
  }
  return `${durationMs}ms`;
}
