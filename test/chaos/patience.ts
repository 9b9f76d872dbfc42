// SPDX-License-Identifier: Apache-2.0
/** Calls a center that may be away: what a script of an operator does during maintenance. */
import { isMusterError } from "../../domain/errors.ts";
import { delay } from "../../ports/clock.ts";
import { systemClock } from "../../runtime/system-clock.ts";

const PAUSE_MS = 50;
/** One call: a center that hangs is one that is away. */
const CALL_TIMEOUT_MS = 10_000;

/** Repeats a call that may be made twice until the center answers it; other failures pass. */
export async function patiently<Answer>(
  call: (options: { signal: AbortSignal }) => Promise<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await call({
        signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]),
      });
    } catch (error) {
      if (!isMusterError(error) || !AWAY.has(error.code)) throw error;
    }
    await delay(systemClock, PAUSE_MS, signal);
  }
}

const AWAY: ReadonlySet<string> = new Set(["unavailable", "deadline_exceeded", "cancelled"]);
