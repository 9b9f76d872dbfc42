// SPDX-License-Identifier: Apache-2.0
/**
 * Wall time that does not jump: what windows, `notBefore` and `expires` are judged by. A wall clock
 * that is set (by hand, by a time server, by a machine that slept) is believed after it has gone on
 * from its new reading for as long as `BELIEVED_AFTER_MS`; until then the old reading is carried on
 * by the monotonic clock. So a clock that leaps to next year and is set right again starts nothing
 * early and ends nothing. The first reading of a process is believed at once: there is no other.
 */

/** The two clocks, read at the same moment. */
export interface ClockReading {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export interface SettledTime {
  /** What is believed. */
  readonly trusted: ClockReading;
  /** The first reading that disagreed, and since then only agreed with itself; null = none. */
  readonly doubted: ClockReading | null;
}

/** A time server slews a clock slower than this from one reading to the next. */
const JUMP_MS = 2_000;
/** A clock that is wrong at boot is set right within seconds of having a network. */
export const BELIEVED_AFTER_MS = 60_000;

export function startSettledTime(reading: ClockReading): SettledTime {
  return { trusted: reading, doubted: null };
}

/** Takes one more reading; `monotonicMs` never goes back. */
export function settleTime(before: SettledTime, reading: ClockReading): SettledTime {
  if (agrees(before.trusted, reading)) return startSettledTime(reading);
  const { doubted } = before;
  if (doubted === null || !agrees(doubted, reading)) return { ...before, doubted: reading };
  const lastedMs = reading.monotonicMs - doubted.monotonicMs;
  return lastedMs < BELIEVED_AFTER_MS ? before : startSettledTime(reading);
}

/** Milliseconds since 1970 at `monotonicMs`. */
export function settledWallMs({ trusted }: SettledTime, monotonicMs: number): number {
  return carried(trusted, monotonicMs);
}

function agrees(earlier: ClockReading, later: ClockReading): boolean {
  return Math.abs(later.wallMs - carried(earlier, later.monotonicMs)) < JUMP_MS;
}

function carried({ wallMs, monotonicMs }: ClockReading, nowMonotonicMs: number): number {
  return wallMs + nowMonotonicMs - monotonicMs;
}
