// SPDX-License-Identifier: Apache-2.0
/**
 * The end of connections of a gateway that drains, or that has more than its share: not at once,
 * for each comes back to somebody with a handshake, of which a core does some hundreds a second.
 */
import { delay, type Clock } from "../ports/clock.ts";
import type { SessionTable } from "./sessions/session-table.ts";

/** Slower than this is nobody's gain: one core takes so many in. */
const CLOSES_A_SECOND = 500;
/** However many they are, and however busy this process is; a role drains for 15 s at most. */
const WINDOW_MS = 8_000;
const TURN_MS = 20;

type Connections = Pick<SessionTable, "slotCount" | "isTaken" | "link">;

/**
 * Closes every connection, also those that come meanwhile (their handshakes had begun); resolves
 * when none is left, after 8 s at the latest. Whom something is owed stays until it has it, or
 * until then. The signal ends it at once.
 */
export async function sendAway(options: {
  readonly table: Connections;
  /** Whether this connection waits for an answer that can still come. */
  readonly isOwed: (slot: number) => boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { table, isOwed, clock, signal } = options;
  const pace = new Pace(takenSlots(table).length, clock);
  for (;;) {
    const isOver = pace.isOver || signal.aborted;
    const dueCount = isOver ? Infinity : pace.dueCount;
    let closedCount = 0;
    let leftCount = 0;
    for (let slot = 0; slot < table.slotCount; slot += 1) {
      if (!table.isTaken(slot)) continue;
      if (closedCount < dueCount && (isOver || !isOwed(slot))) {
        closedCount += 1;
        table.link(slot).close("draining");
      } else leftCount += 1;
    }
    if (leftCount === 0) return;
    pace.closed(closedCount);
    await delay(clock, TURN_MS, signal).catch(() => {}); // Then all at once.
  }
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
  const pace = new Pace(chosen.length, clock);
  for (let next = 0; next < chosen.length;) {
    if (next > 0) await delay(clock, TURN_MS, signal).catch(() => {}); // Then all at once.
    const count = pace.isOver || signal.aborted ? chosen.length : pace.dueCount;
    for (const slot of chosen.slice(next, next + count)) {
      // It may have gone by itself.
      if (table.isTaken(slot)) table.link(slot).close("draining");
    }
    pace.closed(count);
    next += count;
  }
}

function takenSlots(table: Connections): number[] {
  const slots: number[] = [];
  for (let slot = 0; slot < table.slotCount; slot += 1) if (table.isTaken(slot)) slots.push(slot);
  return slots;
}

/** How many are to be closed by now: by the clock, for turns of a busy process come late. */
class Pace {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #closesAMs: number;
  #closedCount = 0;

  constructor(count: number, clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
    this.#closesAMs = Math.max(CLOSES_A_SECOND / 1_000, count / WINDOW_MS);
  }

  get isOver(): boolean {
    return this.#clock.monotonicMs() - this.#startMs >= WINDOW_MS;
  }

  /** In the turn that begins now. */
  get dueCount(): number {
    const passedMs = this.#clock.monotonicMs() - this.#startMs;
    return Math.ceil((passedMs + TURN_MS) * this.#closesAMs) - this.#closedCount;
  }

  closed(count: number): void {
    this.#closedCount += count;
  }
}
