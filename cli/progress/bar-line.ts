// SPDX-License-Identifier: Apache-2.0
/** One bar as text: for a terminal with blocks, for a log without. */
import { displayWidth, truncate } from "../output/text-width.ts";
import { formatBytes, formatCount, formatElapsed } from "../output/units.ts";

/** What the numbers of a bar count. */
export type BarUnit = "count" | "bytes";

export interface BarFacts {
  readonly name: string;
  readonly value: number;
  /** 0 = not known yet. */
  readonly total: number;
  readonly unit: BarUnit;
  readonly perSecond: number;
  readonly finished: boolean;
  /** Free text after the numbers. */
  readonly note: string;
}

/** Below this many columns the blocks say nothing and only the numbers stay. */
const BLOCKS_MIN = 8;
const BLOCKS_MAX = 30;

/** For a terminal: `name ███░░  45 %  450/1,000  112/s  ETA 5s  note`, cut to `width`. */
export function terminalBarLine(facts: BarFacts, nameWidth: number, width: number): string {
  const name = facts.name + " ".repeat(Math.max(0, nameWidth - displayWidth(facts.name)));
  const numbers = barNumbers(facts);
  const room = width - displayWidth(name) - displayWidth(numbers) - 4;
  const blockCount = Math.min(BLOCKS_MAX, room);
  if (blockCount < BLOCKS_MIN) return truncate(`${name}  ${numbers}`, width);
  const full = Math.floor(share(facts) * blockCount);
  const blocks = "█".repeat(full) + "░".repeat(blockCount - full);
  return truncate(`${name}  ${blocks}  ${numbers}`, width);
}

/** For a log: `name: 450/1,000 (45 %), 112/s, ETA 5s, note`. */
export function plainBarLine(facts: BarFacts): string {
  return `${facts.name}: ${barNumbers(facts).replaceAll(/ {2,}/g, ", ")}`;
}

function barNumbers(facts: BarFacts): string {
  const parts = [progressOf(facts)];
  if (!facts.finished && facts.perSecond > 0) {
    parts.push(`${amount(facts.perSecond, facts.unit, 1)}/s`);
    const left = facts.total - facts.value;
    if (left > 0) parts.push(`ETA ${formatElapsed((left / facts.perSecond) * 1_000)}`);
  }
  if (facts.note !== "") parts.push(facts.note);
  return parts.join("  ");
}

function progressOf(facts: BarFacts): string {
  const value = amount(facts.value, facts.unit, 0);
  if (facts.total === 0) return value;
  // Multiplied first: 0.58 × 100 is a little less than 58.
  const percent = Math.floor((Math.min(facts.value, facts.total) * 100) / facts.total);
  return `${value}/${amount(facts.total, facts.unit, 0)} (${percent} %)`;
}

function share(facts: BarFacts): number {
  return facts.total === 0 ? 0 : Math.min(1, Math.max(0, facts.value / facts.total));
}

/** Rates below ten keep a digit after the point: "0.4/s" is not "0/s". */
function amount(value: number, unit: BarUnit, rateDigits: 0 | 1): string {
  if (unit === "bytes") return formatBytes(Math.round(value));
  if (rateDigits === 1 && value < 10) return value.toFixed(1);
  return formatCount(Math.round(value));
}
