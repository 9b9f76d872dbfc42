// SPDX-License-Identifier: Apache-2.0
/**
 * Time that moves only when a test says so. `advance` runs every timer that falls due, in order of
 * due time (then of setting), with both clocks standing at its due time; timers set on the way run
 * too when they fall within the span. Callbacks run synchronously: a test that has promises to
 * settle in between awaits them between two short advances.
 */
import assert from "node:assert/strict";
import type { CancelTimer, Clock } from "../../ports/clock.ts";

/** A loop of timers that set each other with no delay would never end: more than this is a bug. */
const MAX_TIMERS_AN_ADVANCE = 1_000_000;

/** 2026-01-01T00:00:00Z. */
const DEFAULT_WALL_MS = 1_767_225_600_000;

interface Timer {
  readonly dueMs: number;
  readonly serial: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  #monotonicMs = 0;
  #wallOffsetMs: number;
  #serial = 0;
  readonly #timers = new Map<number, Timer>();

  constructor(options: { wallMs?: number } = {}) {
    this.#wallOffsetMs = options.wallMs ?? DEFAULT_WALL_MS;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  wallMs(): number {
    return this.#monotonicMs + this.#wallOffsetMs;
  }

  setTimer(delayMs: number, callback: () => void): CancelTimer {
    assert(delayMs >= 0 && delayMs < 2 ** 31, `a timer of ${delayMs} ms is out of range`);
    const serial = ++this.#serial;
    this.#timers.set(serial, { dueMs: this.#monotonicMs + delayMs, serial, callback });
    return () => void this.#timers.delete(serial);
  }

  /** How many timers are set: a leak check. */
  get timerCount(): number {
    return this.#timers.size;
  }

  /** Moves both clocks on and runs what falls due. */
  advance(durationMs: number): void {
    assert(durationMs >= 0, "time does not run backwards; jumpWall moves the wall clock alone");
    const endMs = this.#monotonicMs + durationMs;
    for (let runCount = 0; ; runCount += 1) {
      assert(runCount < MAX_TIMERS_AN_ADVANCE, "timers set each other without end");
      const next = this.#earliest();
      if (next === null || next.dueMs > endMs) break;
      this.#timers.delete(next.serial);
      this.#monotonicMs = next.dueMs;
      next.callback();
    }
    this.#monotonicMs = endMs;
  }

  /** Moves the wall clock alone, as an operator or NTP does; may be negative. */
  jumpWall(offsetMs: number): void {
    this.#wallOffsetMs += offsetMs;
  }

  #earliest(): Timer | null {
    let earliest: Timer | null = null;
    for (const timer of this.#timers.values()) {
      if (earliest === null || timer.dueMs < earliest.dueMs) earliest = timer;
    }
    return earliest;
  }
}
