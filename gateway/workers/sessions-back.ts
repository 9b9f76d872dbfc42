// SPDX-License-Identifier: Apache-2.0
/**
 * Whether the devices of a worker that was replaced are back. A new worker is ready in seconds; its
 * devices' handshakes take longer where cores are few, and who does not wait for them has all away
 * at once: of 5,000 devices on two cores all but 400.
 */
import { delay, type Clock } from "../../ports/clock.ts";

/** The rest left for reasons of its own. */
const BACK_PART = 0.95;
/** The longest pause of a device's back-off: who is not back by then is away, not waiting. */
const LONGEST_WAIT_MS = 60_000;
/** Every worker is asked for it, and has other things to do. */
const LOOK_MS = 1_000;

/**
 * Resolves when nearly as many sessions are open as before, after a minute, or with the signal;
 * with how many there are.
 */
export async function untilSessionsAreBack(options: {
  readonly before: number;
  /** How many there are now. */
  readonly count: () => Promise<number>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<number> {
  const { before, count, clock, signal } = options;
  const deadlineMs = clock.monotonicMs() + LONGEST_WAIT_MS;
  for (;;) {
    const backCount = await count();
    const isOver = signal.aborted || clock.monotonicMs() >= deadlineMs;
    if (isOver || backCount >= before * BACK_PART) return backCount;
    await delay(clock, LOOK_MS, signal).catch(() => {}); // The loop sees the signal.
  }
}
