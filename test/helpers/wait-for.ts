// SPDX-License-Identifier: Apache-2.0
/** Waits for a state, bounded: looks again and again until it is there. */
import assert from "node:assert/strict";
import { delay } from "../../ports/clock.ts";
import { systemClock } from "../../runtime/system-clock.ts";

const LOOK_EVERY_MS = 20;
const NEVER = new AbortController().signal;

/**
 * The first answer of `look` that is neither `undefined` nor `null` nor `false`. Fails after
 * `timeoutMs`; `what` begins that sentence: "the device is online: not within 10000 ms".
 */
export async function waitFor<Found>(
  what: string,
  look: () => Promise<Found | undefined | null | false> | Found | undefined | null | false,
  timeoutMs = 10_000,
): Promise<Found> {
  const deadlineMs = systemClock.monotonicMs() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== null && found !== false) return found;
    if (systemClock.monotonicMs() > deadlineMs) assert.fail(`${what}: not within ${timeoutMs} ms`);
    await delay(systemClock, LOOK_EVERY_MS, NEVER);
  }
}
