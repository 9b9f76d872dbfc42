// SPDX-License-Identifier: Apache-2.0
/**
 * The end of all connections of a gateway that drains: not at once, for each comes back to somebody
 * with a handshake, of which a core does some hundreds a second.
 */
import { delay, type Clock } from "../ports/clock.ts";
import type { SessionTable } from "./sessions/session-table.ts";

/** Slower than this is nobody's gain: one core takes so many in. */
const CLOSES_A_SECOND = 500;
/** However many they are; a role drains for 15 s at most, and its reports may take 5. */
const WINDOW_MS = 8_000;
const TURN_MS = 20;

/** Closes every connection; resolves when the last one is. */
export async function sendAway(
  table: Pick<SessionTable, "slotCount" | "isTaken" | "link">,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const slots = Array.from({ length: table.slotCount }, (_, slot) => slot).filter((slot) =>
    table.isTaken(slot),
  );
  const countATurn = Math.max(
    (CLOSES_A_SECOND * TURN_MS) / 1_000,
    Math.ceil((slots.length * TURN_MS) / WINDOW_MS),
  );
  for (let next = 0; next < slots.length; next += countATurn) {
    if (next > 0) await delay(clock, TURN_MS, signal).catch(() => {}); // Then all at once.
    for (const slot of slots.slice(next, next + countATurn)) {
      // It may have gone by itself.
      if (table.isTaken(slot)) table.link(slot).close("draining");
    }
  }
}
