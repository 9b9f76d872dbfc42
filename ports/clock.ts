// SPDX-License-Identifier: Apache-2.0
/**
 * Time as a port, so that a whole fleet can run on virtual time. Monotonic time is for leases,
 * presence, deadlines and soaks; wall time only for windows, expiry and what a person reads.
 */

/** Stops a timer; calling it again does nothing. */
export type CancelTimer = () => void;

export interface Clock {
  /** Milliseconds on a clock that never jumps, comparable between processes of one boot. */
  monotonicMs(): number;
  /** Milliseconds since 1970; may jump. */
  wallMs(): number;
  /** Runs `callback` once after `delayMs` (≥ 0, at most 2^31 − 1). Keeps the process alive. */
  setTimer(delayMs: number, callback: () => void): CancelTimer;
}

/** Resolves after `delayMs`, or rejects with the signal's reason when it aborts first. */
export function delay(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      cancel();
      reject(signal.reason);
    };
    const cancel = clock.setTimer(delayMs, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
