// SPDX-License-Identifier: Apache-2.0
/** Waits on state, bounded: the only way in which tests wait. */
import { delay } from "../../ports/clock.ts";
import { systemClock } from "../../runtime/system-clock.ts";

const POLL_MS = 50;

/** Resolves when `check` is true; throws with `what` after `timeoutMs`. */
export async function until(
  what: string,
  check: () => Promise<boolean> | boolean,
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + options.timeoutMs;
  while (!(await check())) {
    if (systemClock.monotonicMs() > deadlineMs) {
      throw new Error(`waited ${options.timeoutMs} ms in vain until ${what}`);
    }
    await delay(systemClock, POLL_MS, options.signal);
  }
}
