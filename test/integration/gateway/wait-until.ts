// SPDX-License-Identifier: Apache-2.0
/** Waits for a state, bounded: looks again and again until it is there. */
import assert from "node:assert/strict";
import { delay } from "../../../ports/clock.ts";
import { systemClock } from "../../../runtime/system-clock.ts";

const LOOK_EVERY_MS = 10;
const NEVER = new AbortController().signal;

/** `what` completes the sentence "… did not happen within". */
export async function waitUntil(
  what: string,
  isTrue: () => boolean,
  timeoutMs = 10_000,
): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + timeoutMs;
  while (!isTrue()) {
    if (systemClock.monotonicMs() > deadlineMs) assert.fail(`${what}: not within ${timeoutMs} ms`);
    await delay(systemClock, LOOK_EVERY_MS, NEVER);
  }
}
