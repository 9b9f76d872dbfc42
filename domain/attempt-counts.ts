// SPDX-License-Identifier: Apache-2.0
/**
 * Counts of attempts, by wave: what gates, limits and screens are computed from. A rollout's counts
 * are sums over pages; only pages that changed are counted again.
 */
import {
  ATTEMPT,
  ATTEMPT_STATE_COUNT,
  ATTEMPT_STATES,
  CELL_FLAGS,
  isTerminal,
  isUnderWay,
} from "./attempt.ts";
import { CELLS_PER_PAGE, type AttemptPage } from "./attempt-page.ts";
import type { JoinedRange } from "./membership.ts";
import { isGoingBack, isProvenYet } from "./path-step.ts";
import type { WaveRange } from "./rollout.ts";

/** Sums of one wave (or of everything). */
export interface AttemptCounts {
  /** By state code; the sum is the number of cells. */
  readonly byState: Uint32Array;
  /** n of the gate: has accepted. */
  exposed: number;
  /** k of the gate: has failed once in any way. */
  failures: number;
  /**
   * Exposed, and neither through its soak nor back on what it ran before with evidence; devices
   * that hold an offer count too, for they may accept at any moment.
   */
  unproven: number;
  /** Offered or under way: what the in-flight limit bounds. */
  inFlight: number;
  /** Back on what it ran before because its group failed; it has not failed itself. */
  putBack: number;
}

export function emptyCounts(): AttemptCounts {
  return {
    byState: new Uint32Array(ATTEMPT_STATE_COUNT),
    exposed: 0,
    failures: 0,
    unproven: 0,
    inFlight: 0,
    putBack: 0,
  };
}

/** Adds `from` to `into`. */
export function addCounts(into: AttemptCounts, from: AttemptCounts): void {
  for (let code = 0; code < ATTEMPT_STATE_COUNT; code++) {
    into.byState[code] = (into.byState[code] ?? 0) + (from.byState[code] ?? 0);
  }
  into.exposed += from.exposed;
  into.failures += from.failures;
  into.unproven += from.unproven;
  into.inFlight += from.inFlight;
  into.putBack += from.putBack;
}

/** Is a cell unproven? The one definition that the blast radius rests on. */
export function isUnproven(state: number, flags: number): boolean {
  if (state === ATTEMPT.offered) return true;
  if ((flags & CELL_FLAGS.exposed) === 0 || isProvenYet(flags)) return false;
  return state !== ATTEMPT.succeeded && (flags & CELL_FLAGS.settled) === 0;
}

/**
 * Counts of one page, one entry a wave (waves that the page does not touch stay empty). `joined`:
 * positions after the plan, which belong to a wave of it.
 * `isPlanted`: test-only switches for planted bugs; false in production.
 */
export function countPage(
  page: AttemptPage,
  waves: readonly WaveRange[],
  isPlanted: (name: string) => boolean = () => false,
  joined: readonly JoinedRange[] = [],
): AttemptCounts[] {
  const byWave = waves.map((wave) => countRange(page, wave, isPlanted));
  for (const range of joined) {
    const counts = byWave[range.wave];
    if (counts !== undefined) addCounts(counts, countRange(page, range, isPlanted));
  }
  return byWave;
}

function countRange(
  page: AttemptPage,
  range: WaveRange,
  isPlanted: (name: string) => boolean,
): AttemptCounts {
  // The planted bugs: who fell silent counts as proven; who waits for its moment holds no place.
  const forgetsLost = isPlanted("counts.forget-lost");
  const forgetsWaiting = isPlanted("counts.forget-waiting");
  const base = page.number * CELLS_PER_PAGE;
  const counts = emptyCounts();
  const first = Math.max(range.start - base, 0);
  const end = Math.min(range.end - base, page.cellCount);
  for (let cell = first; cell < end; cell++) {
    const state = page.state[cell] ?? 0;
    const flags = page.flags[cell] ?? 0;
    counts.byState[state] = (counts.byState[state] ?? 0) + 1;
    if ((flags & CELL_FLAGS.exposed) !== 0) counts.exposed++;
    if ((flags & CELL_FLAGS.failed) !== 0) counts.failures++;
    else if (state === ATTEMPT["rolled-back"] && isGoingBack(flags)) counts.putBack++;
    if (isUnproven(state, flags) && !(forgetsLost && state === ATTEMPT.lost)) counts.unproven++;
    if (forgetsWaiting && state === ATTEMPT.waiting) continue;
    if (state === ATTEMPT.offered || isUnderWay(state)) counts.inFlight++;
  }
  return counts;
}

/** The sum of some counts. */
export function sumCounts(parts: Iterable<AttemptCounts>): AttemptCounts {
  const sum = emptyCounts();
  for (const part of parts) addCounts(sum, part);
  return sum;
}

/** Attempts of which the end is not known yet. */
export function countOpen(total: AttemptCounts): number {
  let open = 0;
  total.byState.forEach((count, state) => {
    if (!isTerminal(state)) open += count;
  });
  return open;
}

/** By the name of the state; those of nobody are left out. */
export function countsByState(counts: AttemptCounts): { [state: string]: number } {
  const named: { [state: string]: number } = {};
  counts.byState.forEach((count, code) => {
    const state = ATTEMPT_STATES[code];
    if (count > 0 && state !== undefined) named[state] = count;
  });
  return named;
}
