// SPDX-License-Identifier: Apache-2.0
/** The clock of a rehearsal: it stands still until the rehearsal moves it on. Sets no timers. */
import type { CancelTimer, Clock } from "../../ports/clock.ts";

export class RehearsalClock implements Clock {
  nowMs = 0;
  private readonly startAtMs: number;

  constructor(startAtMs: number) {
    this.startAtMs = startAtMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.startAtMs + this.nowMs;
  }

  setTimer(): CancelTimer {
    // The loop sets one only when a commit failed, and a Store in memory has no reason to.
    throw new Error("assertion failed: nothing waits in a rehearsal");
  }
}
