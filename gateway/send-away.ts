// SPDX-License-Identifier: Apache-2.0
/**
 * The end of connections of a gateway that drains, or that has more than its share: not at once,
 * for each comes back to somebody with a handshake, of which a core does some hundreds a second.
 */
import { delay, type Clock } from "../ports/clock.ts";
import type { SessionTable } from "./sessions/session-table.ts";

/** Slower than this is nobody's gain: one core takes so many in. */
const CLOSES_A_SECOND = 500;
/** However many they are; a role drains for 15 s at most, and its reports may take 5. */
const WINDOW_MS = 8_000;
const TURN_MS = 20;

type Connections = Pick<SessionTable, "slotCount" | "isTaken" | "link">;

/** Closes every connection; resolves when the last one is. */
export async function sendAway(
  table: Connections,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  await closeSlots(table, takenSlots(table), clock, signal);
}

/**
 * Closes this part of the connections (0 to 1) of devices that are known, whichever; resolves when
 * the last one is. CoAP has none.
 */
export async function sendPartAway(
  table: Connections & Pick<SessionTable, "isOpen" | "protocolLevel" | "keepAliveSeconds">,
  part: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const { protocolLevel, keepAliveSeconds } = table;
  const hasConnection = (slot: number): boolean =>
    protocolLevel[slot] !== 0 || keepAliveSeconds[slot] !== 0;
  const slots = takenSlots(table).filter((slot) => table.isOpen(slot) && hasConnection(slot));
  const chosen = slots.filter(
    (_, index) => Math.floor((index + 1) * part) > Math.floor(index * part),
  );
  await closeSlots(table, chosen, clock, signal);
}

function takenSlots(table: Connections): number[] {
  const slots: number[] = [];
  for (let slot = 0; slot < table.slotCount; slot += 1) if (table.isTaken(slot)) slots.push(slot);
  return slots;
}

async function closeSlots(
  table: Connections,
  slots: readonly number[],
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
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
