// SPDX-License-Identifier: Apache-2.0
/** The machine's clocks behind the Clock port. */
import type { CancelTimer, Clock } from "../ports/clock.ts";

/**
 * Monotonic time is CLOCK_MONOTONIC, which Linux counts from boot: two processes of one boot read
 * the same clock, so a lease kept on disk can be judged after a restart.
 */
export const systemClock: Clock = {
  monotonicMs: (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000,
  wallMs: (): number => Date.now(),
  setTimer: (delayMs: number, callback: () => void): CancelTimer => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
